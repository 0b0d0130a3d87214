#include "weft/report/gnuplot.hpp"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "weft/io/files.hpp"

#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

/// An environment variable that has its old value again afterwards.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name), old_(std::getenv(name)) {
    setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { setenv(name_, old_.c_str(), 1); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::string old_;
};

TEST(Gnuplot, WorksInAFolderWithAnyName) {
  const TemporaryFolder folder;
  const auto odd = folder.path() / "it's a \"folder\" $HOME; exit 7 #";
  fs::create_directories(odd);
  write_text_atomically(odd / "a.gp", "set print 'made.txt'\nprint 6 * 7\n");

  run_gnuplot(odd, "a.gp");

  EXPECT_EQ(read_text(odd / "made.txt"), "42\n");
}

TEST(Gnuplot, TellsWhatAScriptFailedOf) {
  const TemporaryFolder folder;
  write_text_atomically(folder.path() / "panel.gp",
                        "set terminal svg\nset output 'x.svg'\nplot 'absent.dat'\n");

  expect_user_error([&] { run_gnuplot(folder.path(), "panel.gp"); },
                    {"panel.gp", "ended with code 1", "absent.dat", "gnuplot panel.gp"});
}

TEST(Gnuplot, TellsThatASignalEndedIt) {
  const TemporaryFolder folder;
  write_text_atomically(folder.path() / "panel.gp", "");
  write_text_atomically(folder.path() / "gnuplot", "#!/bin/sh\nkill -9 $$\n");
  fs::permissions(folder.path() / "gnuplot", fs::perms::owner_exec, fs::perm_options::add);
  const ScopedVariable path("PATH", folder.path().string());

  expect_user_error([&] { run_gnuplot(folder.path(), "panel.gp"); }, {"panel.gp", "ended by signal 9"});
}

TEST(Gnuplot, IgnoresTheSettingsOfTheUser) {
  const TemporaryFolder folder;
  write_text_atomically(folder.path() / ".gnuplot", "exit status 3\n");
  write_text_atomically(folder.path() / "panel.gp", "set print 'made.txt'\nprint 1\n");
  const ScopedVariable home("HOME", folder.path().string());

  run_gnuplot(folder.path(), "panel.gp");

  EXPECT_TRUE(fs::exists(folder.path() / "made.txt"));
}

TEST(Gnuplot, SaysHowToInstallItWhereItIsMissing) {
  const TemporaryFolder folder;
  write_text_atomically(folder.path() / "panel.gp", "");
  const ScopedVariable path("PATH", "");

  expect_user_error([&] { run_gnuplot(folder.path(), "panel.gp"); },
                    {"gnuplot: cannot be started", "apt-get install gnuplot-nox"});
}

TEST(Gnuplot, NamesAScriptThatIsMissing) {
  const TemporaryFolder folder;
  expect_user_error([&] { run_gnuplot(folder.path(), "panel.gp"); }, {"panel.gp", "no such file"});
}

}  // namespace
}  // namespace weft
