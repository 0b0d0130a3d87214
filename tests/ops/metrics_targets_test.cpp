#include "weft/ops/metrics_targets.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "support/failing_call.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using nlohmann::json;
using testing::ElementsAre;

class MetricsTargets : public testing::Test {
 protected:
  json entries() const { return json::parse(read_text(file_)); }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "weft.json";
};

json entry(const std::string& address, const std::string& run, const std::string& folder) {
  return {{"targets", {address}}, {"labels", {{"run", run}, {"folder", folder}}}};
}

TEST_F(MetricsTargets, TheFirstOneMakesTheFile) {
  add_target(file_, {"node7:9100", "fly", "/runs/fly"});
  EXPECT_THAT(entries(), ElementsAre(entry("node7:9100", "fly", "/runs/fly")));
}

TEST_F(MetricsTargets, AFoldersNewPlaceReplacesTheOld) {
  add_target(file_, {"node7:9100", "fly", "/runs/fly"});
  add_target(file_, {"node8:9100", "fly", "/runs/fly-2"});
  add_target(file_, {"node9:4242", "fly again", "/runs/fly"});
  EXPECT_THAT(entries(), ElementsAre(entry("node8:9100", "fly", "/runs/fly-2"),
                                     entry("node9:4242", "fly again", "/runs/fly")));
}

TEST_F(MetricsTargets, OthersEntriesAreLeftAsTheyAre) {
  const std::string others =
      R"([{"targets": ["db:1", "db:2"]}, {"labels": {"z": "1", "a": "2"}, "targets": [], "more": [1.5]}])";
  std::ofstream(file_) << others;
  add_target(file_, {"node7:9100", "fly", "/runs/fly"});
  EXPECT_EQ(entries().size(), 3);
  remove_target(file_, "/runs/fly");
  EXPECT_EQ(nlohmann::ordered_json::parse(read_text(file_)), nlohmann::ordered_json::parse(others));
}

TEST_F(MetricsTargets, OneIsTakenOut) {
  add_target(file_, {"node7:9100", "fly", "/runs/fly"});
  add_target(file_, {"node8:9100", "worm", "/runs/worm"});
  remove_target(file_, "/runs/fly");
  EXPECT_THAT(entries(), ElementsAre(entry("node8:9100", "worm", "/runs/worm")));
  remove_target(file_, "/runs/worm");
  EXPECT_EQ(entries(), json::array());
}

TEST_F(MetricsTargets, WhatIsNotThereNeedNotBeTakenOut) {
  remove_target(file_, "/runs/fly");
  EXPECT_FALSE(std::filesystem::exists(file_));
  remove_target(folder_.path() / "absent" / "weft.json", "/runs/fly");
  add_target(file_, {"node8:9100", "worm", "/runs/worm"});
  const std::string before = read_text(file_);
  remove_target(file_, "/runs/fly");
  EXPECT_EQ(read_text(file_), before);
}

TEST_F(MetricsTargets, NamesMayBeAnyBytes) {
  const std::string name = "/runs/\xff \"fly\"\n\\\xc3\xa9";
  add_target(file_, {"node7:9100", "\xfe", name});
  add_target(file_, {"node8:9100", "\xfe", name});
  EXPECT_EQ(entries().size(), 1);
  remove_target(file_, name);
  EXPECT_EQ(entries().size(), 0);
}

TEST_F(MetricsTargets, AnotherKindOfFileIsRefusedAndLeftAlone) {
  for (const std::string text :
       {"", "no JSON", "{}", "[1]", "[[]]", "[{}]", R"([{"targets": "a:1"}])",
        R"([{"targets": [], "labels": []}])", "[] []", R"([{"targets": [])", "null"}) {
    std::ofstream(file_) << text;
    expect_user_error(
        [&] {
          add_target(file_, {"node7:9100", "fly", "/runs/fly"});
        },
        {file_.string() + ": ", R"({"targets": ["HOST:PORT"])", "repair or remove it"});
    expect_user_error([&] { remove_target(file_, "/runs/fly"); }, {file_.string()});
    EXPECT_EQ(read_text(file_), text);
  }
}

TEST_F(MetricsTargets, AMissingFolderIsNotMade) {
  const auto absent = folder_.path() / "absent" / "weft.json";
  expect_user_error(
      [&] {
        add_target(absent, {"node7:9100", "fly", "/runs/fly"});
      },
      {absent.string() + ".lock: cannot be opened: No such file", "check the path"});
}

TEST_F(MetricsTargets, AFolderInTheFilesPlaceIsRefused) {
  std::filesystem::create_directory(file_);
  expect_user_error([&] { add_target(file_, {"node7:9100", "fly", "/runs/fly"}); }, {file_.string()});
}

/// Runs in a process of its own; whether it came to its end and found all well.
template <typename Work>
pid_t in_another_process(Work work) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    _exit(work() ? 0 : 1);
  } catch (...) {
    _exit(2);
  }
}

int exit_code_of(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(MetricsTargets, AFileSystemWithoutLocksIsRefused) {
  const pid_t child = in_another_process([&] {
    if (!have_call_fail(SYS_flock, ENOLCK)) return false;
    try {
      add_target(file_, {"node7:9100", "fly", "/runs/fly"});
    } catch (const UserError& error) {
      return std::string(error.what()).find("has locks (Lustre: -o flock)") != std::string::npos;
    }
    return false;
  });
  EXPECT_EQ(exit_code_of(child), 0);
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(MetricsTargets, ProcessesDoNotLoseEachOthersEntries) {
  const auto add_again_and_again = [this](const std::string& run) {
    for (int k = 0; k < 100; ++k) {
      add_target(file_, {"node7:" + std::to_string(k), run, "/runs/" + run});
      if (entries().empty()) return false;  // throws, too, where half of it is there
    }
    return true;
  };
  const pid_t fly = in_another_process([&] { return add_again_and_again("fly"); });
  const pid_t worm = in_another_process([&] { return add_again_and_again("worm"); });
  EXPECT_EQ(exit_code_of(fly), 0);
  EXPECT_EQ(exit_code_of(worm), 0);
  EXPECT_THAT(entries(), testing::UnorderedElementsAre(entry("node7:99", "fly", "/runs/fly"),
                                                       entry("node7:99", "worm", "/runs/worm")));
}

}  // namespace
}  // namespace weft
