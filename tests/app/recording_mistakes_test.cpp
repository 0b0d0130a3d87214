#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "../io/python.hpp"
#include "mistake.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecordings = R"(
import h5py, numpy as np
x = np.random.default_rng(1).normal(size=(60, 12)).astype('f4')
def write(name, activity, **others):
    with h5py.File(name, 'w') as file:
        file['activity'] = activity
        file.attrs['dt'] = 0.1
        for key, value in others.items():
            file[key] = value
write('good.h5', x)
write('narrow.h5', x[:, :2])
write('single.h5', x[:, :1])
broken = x.copy()
broken[17, 10] = np.nan
write('nan.h5', broken)
broken[17, 10] = -np.inf
write('infinite.h5', broken)
write('shapes.h5', x, derivative=x[:, :5])
whole = open('good.h5', 'rb').read()
open('truncated.h5', 'wb').write(whole[:len(whole) // 2])
open('foreign.h5', 'w').write('time,voltage\n')
with h5py.File('nothing.h5', 'w') as file:
    file['voltage'] = x
)";

/// Recordings that cannot be trained on.
class RecordingMistakes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = std::make_unique<TemporaryFolder>();
    run_python(kRecordings, folder->path());
  }
  static void TearDownTestSuite() { folder.reset(); }

  static std::string recording(const std::string& name) { return (folder->path() / name).string(); }
  fs::path output() const { return own_.path() / "run"; }
  ProcessResult train_on(const std::string& name, int ranks = 1) const {
    return run_weft({"run", tiny_config(), "--output", output().string(), "--log-level", "error", "--set",
                     "data.path=" + recording(name)},
                    ranks);
  }
  void expect_nothing_written() const { EXPECT_FALSE(fs::exists(output())); }

  static std::unique_ptr<TemporaryFolder> folder;
  TemporaryFolder own_;
};

std::unique_ptr<TemporaryFolder> RecordingMistakes::folder;

TEST_F(RecordingMistakes, OneThatIsNotThere) {
  for (const int ranks : {1, 3}) {
    expect_mistake(train_on("nowhere.h5", ranks),
                   {recording("nowhere.h5"), "No such file or directory", "check the path"});
  }
  expect_nothing_written();
}

TEST_F(RecordingMistakes, OneThatIsTruncated) {
  expect_mistake(train_on("truncated.h5", 2), {recording("truncated.h5"), "truncated HDF5 file"});
  expect_nothing_written();
}

TEST_F(RecordingMistakes, OneOfAnotherFormat) {
  expect_mistake(train_on("foreign.h5"), {recording("foreign.h5"), "not an HDF5 file"});
  expect_mistake(train_on("nothing.h5"), {recording("nothing.h5"), "/activity"});
  expect_nothing_written();
}

TEST_F(RecordingMistakes, ShapesThatDisagree) {
  expect_mistake(train_on("shapes.h5"),
                 {recording("shapes.h5") + ":/derivative", "(60, 5)", "as /activity is (60, 12)"});
  expect_nothing_written();
}

TEST_F(RecordingMistakes, MoreRanksThanNeurons) {
  expect_mistake(train_on("narrow.h5", 3),
                 {recording("narrow.h5"), "2 neurons for 3 ranks", "start fewer ranks"});
  expect_nothing_written();
}

TEST_F(RecordingMistakes, NumbersThatAreNone) {
  for (const int ranks : {1, 3}) {
    expect_mistake(train_on("nan.h5", ranks),
                   {recording("nan.h5") + ":/activity", "frame 17, neuron 10 (counted from 0) is nan"});
  }
  expect_mistake(train_on("infinite.h5"), {"frame 17, neuron 10 (counted from 0) is -inf"});
  EXPECT_FALSE(fs::exists(output() / "checkpoints"));
}

TEST_F(RecordingMistakes, ASingleNeuron) {
  expect_mistake(run_weft({"run", tiny_config(), "--output", output().string(), "--set",
                           "data.path=" + recording("single.h5"), "--set", "training.method=varpro"}),
                 {recording("single.h5"), "one neuron", "two neurons at least"});
  expect_nothing_written();
}

TEST_F(RecordingMistakes, FewerFramesWithADerivativeThanUnknowns) {
  // 60 frames, of which the last has no successor to form a difference with.
  expect_no_answer(
      run_weft({"run", tiny_config(), "--output", output().string(), "--set",
                "data.path=" + recording("good.h5"), "--set", "training.method=varpro", "--set",
                "training.phi_splines=47"}),
      {recording("good.h5"), "59 frames to fit", "12 neurons and 47 splines of phi", "at least 83 frames"});
  expect_nothing_written();
}

TEST_F(RecordingMistakes, GroupsByTypesThatNobodyKnows) {
  expect_mistake(run_weft({"run", tiny_config(), "--output", output().string(), "--set",
                           "data.path=" + recording("good.h5"), "--set", "training.method=varpro", "--set",
                           "training.psi_groups=types"}),
                 {"training.psi_groups", recording("good.h5"), "a dataset with /truth"});
  expect_nothing_written();
}

}  // namespace
}  // namespace weft
