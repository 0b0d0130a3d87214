// Files that are HDF5, and that neither the library nor anybody else should have to read.

#include <csignal>
#include <fstream>
#include <stdexcept>

#include <gtest/gtest.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/io/dataset.hpp"

#include "io/rehearsal.hpp"
#include "python.hpp"
#include "support/paths.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

const fs::path kFile = "activity.h5";

TEST(Rehearsal, WhatIsDoneInItLeavesNoTrace) {
  bool done = false;
  rehearse(kFile, [&done] { done = true; });
  EXPECT_FALSE(done);
}

TEST(Rehearsal, AnExceptionIsLeftToTheTimeWhenItIsDoneForGood) {
  EXPECT_NO_THROW(rehearse(kFile, [] { throw std::runtime_error("no such dataset"); }));
}

TEST(Rehearsal, WhatDoesNotSurviveIsRefused) {
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGKILL}) {
    expect_user_error([signal] { rehearse(kFile, [signal] { raise(signal); }); },
                      {"activity.h5", "damaged", "does not survive"});
  }
  expect_user_error([] { rehearse(kFile, [] { _exit(1); }); }, {"activity.h5", "damaged"});
}

TEST(Rehearsal, WhatNeverEndsIsRefused) {
  expect_user_error(
      [] {
        rehearse(kFile, [] {
          for (volatile unsigned i = 0;;) i = i + 1;
        });
      },
      {"activity.h5", "damaged"});
}

class DamagedHdf5 : public testing::Test {
 protected:
  /// A sound recording of the fuzzed ones, with other bytes from `at` on.
  fs::path patched(std::streamoff at, const std::string& bytes) const {
    fs::path file = folder_.path() / "activity.h5";
    fs::copy_file(source_folder() / "tests/fuzz/corpus/dataset/earliest.h5", file,
                  fs::copy_options::overwrite_existing);
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(at);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file;
  }
  /// `f` holds dt and no /activity yet.
  fs::path recording(const std::string& body) const {
    run_python("import h5py\nf = h5py.File('recording.h5', 'w')\nf.attrs['dt'] = 0.5\n" + body,
               folder_.path());
    return folder_.path() / "recording.h5";
  }

 private:
  TemporaryFolder folder_;
};

// Where the text of the attribute `config` is said to lie, and the sizes in the heap it lies in. HDF5 1.10.8
// crashes on the former and turns round for ever on the latter; a better one may refuse them, or read on.
TEST_F(DamagedHdf5, DoesNotEndTheProgram) {
  constexpr std::streamoff kObjectOfConfig = 5872 + 12;
  constexpr std::streamoff kHeap = 8192;
  for (const auto& [at, bytes] : {std::pair{kObjectOfConfig, std::string("\xff\xff\xff\x7f")},
                                  std::pair{kHeap + 24, std::string(8, '\xff')}}) {
    const fs::path file = patched(at, bytes);
    try {
      EXPECT_EQ(Dataset(file).info().frames, 6);
    } catch (const UserError& refusal) {
      EXPECT_NE(std::string(refusal.what()).find("activity.h5"), std::string::npos) << refusal.what();
    }
  }
}

TEST_F(DamagedHdf5, ShapesThatNoMemoryHolds) {
  expect_user_error(
      [&] { Dataset(recording("f.create_dataset('activity', (4, 20_000_000), chunks=(1, 1000))")); },
      {"activity", "(4, 20000000)", "10000000 neurons at most"});
  expect_user_error([&] { Dataset(recording("f.create_dataset('activity', (2**60, 3), chunks=(1000, 3))")); },
                    {"activity", "(1152921504606846976, 3)", "at most"});
}

TEST_F(DamagedHdf5, MoreTrajectoriesThanMemoryHolds) {
  expect_user_error(
      [&] {
        Dataset(
            recording("f['activity'] = [[1, 2], [3, 4]]\n"
                      "f.create_dataset('trajectory_starts', (2**40,), 'i8', chunks=(1000,))"));
      },
      {"trajectory_starts", "1099511627776", "1000000 values at most"});
}

TEST_F(DamagedHdf5, NumbersWiderThanAnyMachineHas) {
  expect_user_error(
      [&] {
        Dataset(
            recording("t = h5py.h5t.STD_I64LE.copy(); t.set_size(1 << 20)\n"
                      "s = h5py.h5s.create_simple((2, 2))\nh5py.h5d.create(f.id, b'activity', t, s)"));
      },
      {"activity", "it holds no numbers"});
}

}  // namespace
}  // namespace weft
