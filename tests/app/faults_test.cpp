#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <regex>
#include <span>
#include <sstream>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

#include "../io/small_disk.hpp"
#include "mistake.hpp"
#include "run_files.hpp"
#include "support/temporary_folder.hpp"
#include "weft_process.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr int kStopped = 75;

/// The command of a training that takes seconds, on frames of which there are few.
Words training(const fs::path& output, const Words& options = {}) {
  Words words{"train",       tiny_config(),
              "--output",    output.string(),
              "--log-level", "warning",
              "--set",       "simulation.neurons=61",
              "--set",       "training.steps=2500",
              "--set",       "training.epoch_steps=700",
              "--set",       "checkpoint.interval=0.02"};
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The same, from the simulation on.
Words run_of(const fs::path& output, const Words& options = {}) {
  Words words = training(output, options);
  words.front() = "run";
  return words;
}

void simulate(const fs::path& output, const Words& options = {}) {
  Words words = training(output, options);
  words.front() = "simulate";
  const ProcessResult result = run_weft(words);
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

/// The step of the newest checkpoint that has its name; -1 where there is none.
std::int64_t newest_step(const fs::path& checkpoints) {
  std::int64_t newest = -1;
  std::error_code gone;
  for (fs::directory_iterator entry(checkpoints, gone); !gone && entry != fs::directory_iterator();
       entry.increment(gone)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("step_") && entry->path().extension() != ".tmp")
      newest = std::max<std::int64_t>(newest, std::stoll(name.substr(5)));
  }
  return newest;
}

/// A checkpoint that is being written, or was when its writers were killed.
bool is_half_written(const fs::path& entry) {
  const std::string name = entry.filename().string();
  return name.starts_with("step_") && name.ends_with(".tmp") && !name.ends_with(".gone.tmp");
}

void expect_newest_is_sound(const fs::path& checkpoints) {
  const fs::path newest = checkpoints / fmt::format("step_{:012}", newest_step(checkpoints));
  EXPECT_NO_THROW(Checkpoint(newest).verify()) << newest;
}

/// Looks again and again, until it is so or the process has ended. Whether it is so.
bool wait_until(const RunningProcess& process, const std::function<bool()>& it_is_so) {
  while (!it_is_so()) {
    if (!process.runs()) return it_is_so();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Within a minute, after which it would be ended. What it said.
std::string expect_to_fail_by_itself(RunningProcess& job) {
  const ProcessResult result = job.wait();
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.exit_code, 124) << "the other ranks went on";
  return result.err;
}

void expect_same_arrays(const fs::path& run, const fs::path& never_stopped) {
  const auto found = checkpoint_of(run);
  const auto expected = checkpoint_of(never_stopped);
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, values] : expected) EXPECT_TRUE(found.at(name) == values) << name;
}

class Faults : public testing::Test {
 protected:
  fs::path output(const std::string& name) const { return folder_.path() / name; }

  static void SetUpTestSuite() {
    if (!undisturbed_runs) undisturbed_runs = std::make_unique<TemporaryFolder>();
  }

  /// A run that nobody stops, with the same options on as many ranks; made once for all tests.
  static fs::path undisturbed(const Words& options, int ranks) {
    const fs::path run = undisturbed_runs->path() /
                         fmt::format("{}_ranks_{:x}", ranks,
                                     std::hash<std::string>{}(fmt::format("{}", fmt::join(options, " "))));
    if (fs::exists(run)) return run;
    const ProcessResult result = run_weft(with(run_of(run), options), ranks);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return run;
  }

  TemporaryFolder folder_;
  static std::unique_ptr<TemporaryFolder> undisturbed_runs;
  std::mt19937_64 random_{20260213};
};

std::unique_ptr<TemporaryFolder> Faults::undisturbed_runs;

TEST_F(Faults, OneOfThreeRanksIsKilledTwentyTimes) {
  const fs::path run = output("killed");
  simulate(run);
  const Words longer{"--set", "training.steps=8000"};
  std::int64_t step = 0;
  for (int kills = 0; kills < 20; ++kills) {
    RunningProcess job(weft_command(training(run, longer), 3));
    const auto moment = step + 1 + static_cast<std::int64_t>(random_() % 100);
    ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") >= moment; }))
        << "the training ended before kill " << kills << ": " << job.wait().err;
    ASSERT_TRUE(job.signal_rank(static_cast<int>(random_() % 3), SIGKILL));
    ASSERT_NO_FATAL_FAILURE(expect_to_fail_by_itself(job));
    step = newest_step(run / "checkpoints");
  }
  const ProcessResult result = run_weft(with(run_of(run, longer), {"--resume", "must"}), 3);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  expect_same_arrays(run, undisturbed(longer, 3));
}

TEST_F(Faults, AllRanksAreKilledWhileTheySaveFiftyTimes) {
  const fs::path run = output("killed");
  simulate(run);
  const Words busy{"--set", "checkpoint.interval=1e-6"};
  int in_a_save = 0;
  for (int kills = 0; kills < 50; ++kills) {
    SCOPED_TRACE(fmt::format("kill {}", kills));
    RunningProcess job(weft_command(training(run, busy), 2));
    const std::int64_t before = newest_step(run / "checkpoints");
    ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") > before; })) << job.wait().err;
    // Saves follow each other without a pause, so that any moment lies in one.
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 20000));
    ASSERT_TRUE(job.signal_ranks(2, SIGKILL));
    job.wait();
    if (std::ranges::any_of(list_folder(run / "checkpoints"), is_half_written)) ++in_a_save;
    expect_newest_is_sound(run / "checkpoints");
    if (newest_step(run / "checkpoints") >= 2000) fs::remove_all(run / "checkpoints");
  }
  RecordProperty("kills_in_a_save", in_a_save);
  EXPECT_GT(in_a_save, 0) << "no kill has hit a save";
  const ProcessResult result = run_weft(run_of(run), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  expect_same_arrays(run, undisturbed({}, 2));
}

/// What to look for before a run is told to stop, and what makes it long enough for that.
struct Moment {
  const char* name;
  std::function<bool(const fs::path& run)> come;
  Words options;
};

class StoppedBySignal : public Faults, public testing::WithParamInterface<Moment> {};

TEST_P(StoppedBySignal, SavesEndsWith75AndGoesOnBitForBit) {
  const Moment& moment = GetParam();
  const fs::path run = output("stopped");
  const Words command = with(run_of(run), moment.options);
  RunningProcess job(weft_command(command, 2));
  ASSERT_TRUE(wait_until(job, [&] { return moment.come(run); })) << job.wait().err;
  ASSERT_TRUE(job.signal_rank(1, SIGUSR1));
  const ProcessResult stopped = job.wait();
  ASSERT_EQ(stopped.exit_code, kStopped) << stopped.err;
  EXPECT_NE(stopped.err.find("goes on from there"), std::string::npos) << stopped.err;
  EXPECT_FALSE(fs::exists(run / "results" / "report.html"));

  const ProcessResult result = run_weft(with(command, {"--resume", "must"}), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const fs::path expected = undisturbed(moment.options, 2);
  EXPECT_TRUE(dataset_of(run) == dataset_of(expected));
  expect_same_arrays(run, expected);
  EXPECT_EQ(findings_of(run).at("connectivity"), findings_of(expected).at("connectivity"));
}

bool is_complete(const fs::path& run) {
  try {
    return Checkpoint(latest_checkpoint(run / "checkpoints")).info().complete;
  } catch (const std::exception&) {
    return false;
  }
}

INSTANTIATE_TEST_SUITE_P(
    InEveryStage, StoppedBySignal,
    testing::Values(
        Moment{"Simulate",
               [](const fs::path& run) { return newest_step(run / "data.tmp/checkpoints") > 300; },
               {"--set", "simulation.frames=60000", "--set", "training.steps=100"}},
        Moment{"Train", [](const fs::path& run) { return newest_step(run / "checkpoints") > 500; }, {}},
        Moment{"ClosedForm",
               [](const fs::path& run) { return newest_step(run / "checkpoints") >= 2; },
               {"--set", "training.method=varpro", "--set", "simulation.frames=3000"}},
        Moment{"Evaluate", is_complete, {"--set", "simulation.neurons=300", "--set", "training.steps=100"}}),
    [](const auto& one) { return one.param.name; });

/// A signal to a job in mid-training, sent by `send`.
struct Ending {
  const char* name;
  std::function<bool(const RunningProcess&)> send;
};

class EndedBySignal : public Faults, public testing::WithParamInterface<Ending> {};

TEST_P(EndedBySignal, SavesEndsWith75AndGoesOnBitForBit) {
  const fs::path run = output("ended");
  RunningProcess job(weft_command(run_of(run), 2));
  ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") > 500; })) << job.wait().err;
  ASSERT_TRUE(GetParam().send(job));
  const ProcessResult stopped = job.wait();
  ASSERT_EQ(stopped.exit_code, kStopped) << stopped.err;
  const ProcessResult result = run_weft(run_of(run, {"--resume", "must"}), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  expect_same_arrays(run, undisturbed({}, 2));
}

INSTANTIATE_TEST_SUITE_P(
    InEveryWay, EndedBySignal,
    testing::Values(
        Ending{"TermToARank", [](const RunningProcess& job) { return job.signal_rank(1, SIGTERM); }},
        Ending{"InterruptToARank", [](const RunningProcess& job) { return job.signal_rank(0, SIGINT); }},
        Ending{"TermToAllRanks", [](const RunningProcess& job) { return job.signal_ranks(2, SIGTERM); }},
        Ending{"Usr1ToMpirun", [](const RunningProcess& job) { return job.signal_launcher(SIGUSR1); }}),
    [](const auto& one) { return one.param.name; });

TEST_F(Faults, TheHoursOfAJobAreOver) {
  const fs::path run = output("short");
  const Words command = run_of(run, {"--max-hours", "1e-9"});
  const ProcessResult first = run_weft(command, 2);
  ASSERT_EQ(first.exit_code, kStopped) << first.err;
  const ProcessResult last = run_weft(run_of(run, {"--resume", "must"}), 2);
  ASSERT_EQ(last.exit_code, 0) << last.err;
  expect_same_arrays(run, undisturbed({}, 2));
}

TEST_F(Faults, TheJobOfABatchSystemIsAboutToEnd) {
  const ProcessResult result =
      run_weft(run_of(output("job")), 1, {{"SLURM_JOB_END_TIME", std::to_string(std::time(nullptr) + 60)}});
  EXPECT_EQ(result.exit_code, kStopped) << result.err;
  expect_mistake(run_weft(run_of(output("other")), 1, {{"SLURM_JOB_END_TIME", "soon"}}),
                 {"SLURM_JOB_END_TIME", "\"soon\""});
}

/// Stops a run when there is a checkpoint behind this step.
void stop_behind(std::int64_t step, const fs::path& checkpoints, const Words& command, int ranks) {
  RunningProcess job(weft_command(command, ranks));
  ASSERT_TRUE(wait_until(job, [&] { return newest_step(checkpoints) > step; })) << job.wait().err;
  ASSERT_TRUE(job.signal_rank(0, SIGUSR1));
  const ProcessResult stopped = job.wait();
  ASSERT_EQ(stopped.exit_code, kStopped) << stopped.err;
}

/// A training that was stopped, with several checkpoints.
void stop_in_training(const fs::path& run, int ranks, const Words& options = {}) {
  stop_behind(100, run / "checkpoints", run_of(run, options), ranks);
}

/// A simulation that was stopped, likewise.
void stop_in_simulation(const fs::path& run, int ranks, const Words& options) {
  stop_behind(300, run / "data.tmp" / "checkpoints", run_of(run, options), ranks);
}

TEST_F(Faults, ATrainingOutlivesTheLossOfItsDataset) {
  const fs::path run = output("lost");
  ASSERT_NO_FATAL_FAILURE(stop_in_training(run, 2));
  fs::remove_all(run / "data");
  const std::string state = latest_checkpoint(run / "checkpoints").string();
  const ProcessResult result = run_weft(run_of(run, {"--resume", "must"}), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(read_text(run / "log" / "weft.log").find("train: goes on from " + state), std::string::npos);
  expect_same_arrays(run, undisturbed({}, 2));
}

TEST_F(Faults, ATrainingOutlivesAStopOfTheSimulationOfItsDataset) {
  const Words options{"--set", "simulation.frames=30000"};
  const fs::path run = output("lost");
  ASSERT_NO_FATAL_FAILURE(stop_in_training(run, 2, options));
  fs::remove_all(run / "data");
  ASSERT_NO_FATAL_FAILURE(stop_in_simulation(run, 2, options));
  const ProcessResult result = run_weft(run_of(run, with(options, {"--resume", "must"})), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string log = read_text(run / "log" / "weft.log");
  EXPECT_NE(log.find("simulate: goes on after step "), std::string::npos);
  EXPECT_NE(log.find("train: goes on from "), std::string::npos);
  expect_same_arrays(run, undisturbed(options, 2));
}

struct Damage {
  const char* name;
  std::string file;  ///< which a warning has to name
  std::function<void(const fs::path& file)> inflict;
};

class DamagedCheckpoint : public Faults, public testing::WithParamInterface<Damage> {};

TEST_P(DamagedCheckpoint, IsNamedAndTheOneBeforeItTaken) {
  const fs::path run = output("damaged");
  ASSERT_NO_FATAL_FAILURE(stop_in_training(run, 2));
  const fs::path newest = latest_checkpoint(run / "checkpoints");
  GetParam().inflict(newest / GetParam().file);
  const ProcessResult result = run_weft(run_of(run), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find(newest.filename().string()), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(GetParam().file), std::string::npos) << result.err;
  expect_same_arrays(run, undisturbed({}, 2));
}

void flip_a_byte(const fs::path& file) {
  std::string bytes = read_text(file);
  bytes[bytes.size() / 2] ^= 0x10;
  write_text_atomically(file, bytes);
}

INSTANTIATE_TEST_SUITE_P(
    InEveryWay, DamagedCheckpoint,
    testing::Values(Damage{"Truncated", "shard_r0001_of_0002.h5",
                           [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }},
                    Damage{"AFlippedByte", "shard_r0000_of_0002.h5", flip_a_byte},
                    Damage{"AShardGone", "shard_r0001_of_0002.h5",
                           [](const fs::path& file) { fs::remove(file); }},
                    Damage{"NoManifest", "manifest.json", [](const fs::path& file) { fs::remove(file); }}),
    [](const auto& one) { return one.param.name; });

TEST_F(Faults, NoCheckpointIsSound) {
  const fs::path run = output("damaged");
  ASSERT_NO_FATAL_FAILURE(stop_in_training(run, 2));
  for (const fs::path& checkpoint : list_folder(run / "checkpoints"))
    if (fs::is_directory(checkpoint)) flip_a_byte(checkpoint / "common.h5");
  const auto before = checksums(run / "checkpoints");
  expect_mistake(run_weft(run_of(run), 2), {(run / "checkpoints").string(), "common.h5"});
  EXPECT_EQ(checksums(run / "checkpoints"), before);
  const ProcessResult anew = run_weft(run_of(run, {"--resume", "never"}), 2);
  EXPECT_EQ(anew.exit_code, 0) << anew.err;
}

TEST_F(Faults, ResumeMustHaveSomethingToGoOnFrom) {
  expect_mistake(run_weft(run_of(output("new"), {"--resume", "must"})),
                 {"--resume", "must", output("new").string()});
}

TEST_F(Faults, AStateOfAnotherConfigIsNotReplaced) {
  const fs::path run = output("other");
  ASSERT_NO_FATAL_FAILURE(stop_in_training(run, 1));
  const auto before = checksums(run / "checkpoints");
  for (const bool lost : {false, true}) {
    if (lost) fs::remove_all(run / "data");
    expect_mistake(run_weft(run_of(run, {"--set", "training.batch_size=5"})),
                   {run.string(), "train stage, not finished", "training.batch_size is 4 there, 5 here",
                    "--resume never"});
    EXPECT_EQ(checksums(run / "checkpoints"), before);
  }
}

/// Takes all that is free on a disk, again and again, until it ends.
class GreedyNeighbour {
 public:
  explicit GreedyNeighbour(const fs::path& file) : file_(file), thread_([this] { take(); }) {}
  ~GreedyNeighbour() {
    ends_ = true;
    thread_.join();
    fs::remove(file_);
  }
  GreedyNeighbour(const GreedyNeighbour&) = delete;
  GreedyNeighbour& operator=(const GreedyNeighbour&) = delete;

 private:
  void take() {
    const std::string part(4096, 'x');
    while (!ends_) {
      std::ofstream file(file_, std::ios::binary | std::ios::app);
      while (file.write(part.data(), std::ssize(part)).flush()) {
      }
    }
  }

  fs::path file_;
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

/// What is said of a checkpoint for which there was no room.
constexpr const char* kGoesOn = "could not be saved, the run goes on";

/// The same command, with what it says on stderr in a file that can be read while it runs.
Words with_errors_in(const fs::path& file, const Words& command) {
  return with({"sh", "-c", "exec \"$@\" 2> \"$0\"", file.string()}, command);
}

TEST_F(Faults, TheDiskFillsUpInTheMiddle) {
  const SmallDisk disk(std::size_t{2} << 20);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const fs::path run = disk.path() / "run";
  ProcessResult full;
  {
    RunningProcess job(weft_command(run_of(run), 2));
    ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") > 100; })) << job.wait().err;
    const GreedyNeighbour neighbour(disk.path() / "other");
    full = job.wait();
  }
  EXPECT_EQ(full.exit_code, 1) << full.err;
  EXPECT_NE(full.err.find("No space left on device"), std::string::npos) << full.err;
  EXPECT_NE(full.err.find(kGoesOn), std::string::npos) << full.err;
  EXPECT_TRUE(newest_sound_checkpoint(run / "checkpoints").has_value());
  const ProcessResult result = run_weft(training(run), 2);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  expect_same_arrays(run, undisturbed({}, 2));
}

TEST_F(Faults, TheDiskIsFullForAWhile) {
  const SmallDisk disk(std::size_t{16} << 20);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const fs::path run = disk.path() / "run";
  const fs::path errors = output("errors");
  constexpr std::int64_t kSteps = 10000;
  const Words command = run_of(run, {"--set", fmt::format("training.steps={}", kSteps)});
  RunningProcess job(with_errors_in(errors, weft_command(command, 2)));
  ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") > 100; })) << read_text(errors);
  {
    const GreedyNeighbour neighbour(disk.path() / "other");
    ASSERT_TRUE(wait_until(job, [&] { return read_text(errors).find(kGoesOn) != std::string::npos; }))
        << read_text(errors);
  }
  const std::int64_t before = newest_step(run / "checkpoints");
  ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") > before; }))
      << read_text(errors);
  EXPECT_LT(newest_step(run / "checkpoints"), kSteps) << "it was not tried again before the end";
  ASSERT_EQ(job.wait().exit_code, 0) << read_text(errors);
  const nlohmann::json account = metrics_of(run).at("checkpoints");
  EXPECT_GT(account.at("failures"), 0);
  EXPECT_GT(account.at("saved"), 0);
}

TEST_F(Faults, AStopThatCannotBeSavedIsAFailure) {
  const SmallDisk disk(std::size_t{2} << 20);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const fs::path run = disk.path() / "run";
  // The state before the first step is saved, and then none until the stop.
  RunningProcess job(
      weft_command(run_of(run, {"--set", "training.steps=10000000", "--set", "training.divergence=rewind",
                                "--set", "checkpoint.interval=0"}),
                   2));
  ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") == 0; })) << job.wait().err;
  const GreedyNeighbour neighbour(disk.path() / "other");
  ASSERT_TRUE(wait_until(job, [&] { return fs::space(disk.path()).available == 0; })) << job.wait().err;
  ASSERT_TRUE(job.signal_rank(1, SIGUSR1));
  const ProcessResult result = job.wait();
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.err.find("stopped, but the state could not be saved"), std::string::npos) << result.err;
  EXPECT_TRUE(newest_sound_checkpoint(run / "checkpoints").has_value());
}

/// The largest difference of two matrices, relative to the largest of the entries.
double relative_difference(const std::vector<double>& found, const std::vector<double>& expected) {
  double difference = 0, largest = 0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    difference = std::max(difference, std::abs(found[k] - expected[k]));
    largest = std::max(largest, std::abs(expected[k]));
  }
  return difference / largest;
}

TEST_F(Faults, ThreeRanksThenTwoThenFour) {
  const Words options{"--set", "simulation.neurons=1001", "--set", "training.steps=400"};
  const fs::path run = output("resharded");
  Words command = run_of(run, options);
  for (const int ranks : {3, 2}) {
    RunningProcess job(weft_command(command, ranks));
    const std::int64_t before = newest_step(run / "checkpoints");
    ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") > before + 50; }))
        << job.wait().err;
    ASSERT_TRUE(job.signal_rank(ranks - 1, SIGUSR1));
    const ProcessResult stopped = job.wait();
    ASSERT_EQ(stopped.exit_code, kStopped) << stopped.err;
  }
  const ProcessResult result = run_weft(command, 4);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto found = checkpoint_of(run);
  const auto expected = checkpoint_of(undisturbed(options, 3));
  EXPECT_LT(relative_difference(found.at("connectivity"), expected.at("connectivity")), 1e-4);
}

TEST_F(Faults, ASimulationGoesOnWithAnotherNumberOfRanks) {
  const Words options{"--set", "simulation.frames=60000", "--set", "training.steps=100"};
  const fs::path run = output("resharded");
  for (const int ranks : {3, 2}) {
    RunningProcess job(weft_command(run_of(run, options), ranks));
    const std::int64_t before = newest_step(run / "data.tmp/checkpoints");
    ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "data.tmp/checkpoints") > before + 300; }))
        << job.wait().err;
    ASSERT_TRUE(job.signal_rank(0, SIGUSR1));
    const ProcessResult stopped = job.wait();
    ASSERT_EQ(stopped.exit_code, kStopped) << stopped.err;
  }
  const ProcessResult result = run_weft(run_of(run, options), 4);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(dataset_of(run) == dataset_of(undisturbed(options, 1)));
}

TEST_F(Faults, ASimulationWhoseShardsWereBeingReplacedGoesOn) {
  const Words options{"--set", "simulation.frames=60000", "--set", "training.steps=100"};
  const fs::path run = output("interrupted");
  ASSERT_NO_FATAL_FAILURE(stop_in_simulation(run, 2, options));
  fs::rename(run / "data.tmp", run / "data.tmp.old.tmp");
  const ProcessResult result = run_weft(run_of(run, with(options, {"--resume", "must"})), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(dataset_of(run) == dataset_of(undisturbed(options, 2)));
  EXPECT_FALSE(fs::exists(run / "data.tmp.old.tmp"));
}

TEST_F(Faults, OtherRanksThanThereIsRoomForGiveTheirSpaceBack) {
  const SmallDisk disk(std::size_t{48} << 20);
  WEFT_SKIP_UNLESS_MOUNTED(disk);
  const Words options{"--set", "simulation.frames=60000", "--set", "training.steps=100"};  // 29 MB
  const fs::path run = disk.path() / "run";
  ASSERT_NO_FATAL_FAILURE(stop_in_simulation(run, 2, options));
  expect_mistake(run_weft(run_of(run, options), 3), {"No space left on device"});
  EXPECT_FALSE(fs::exists(run / "data.resharded.tmp"));
  const ProcessResult result = run_weft(run_of(run, with(options, {"--resume", "must"})), 2);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(dataset_of(run) == dataset_of(undisturbed(options, 2)));
}

TEST_F(Faults, ARankThatIsFrozenIsNamed) {
  const fs::path run = output("frozen");
  RunningProcess job(
      weft_command(run_of(run, {"--set", "training.steps=10000000", "--set", "patience.heartbeat=2"}), 3));
  ASSERT_TRUE(wait_until(job, [&] { return newest_step(run / "checkpoints") > 10; })) << job.wait().err;
  ASSERT_TRUE(job.signal_rank(1, SIGSTOP));
  const std::string said = expect_to_fail_by_itself(job);
  EXPECT_TRUE(std::regex_search(said, std::regex("rank 1 on [^:]+: no sign of life for"))) << said;
  EXPECT_TRUE(newest_sound_checkpoint(run / "checkpoints").has_value());
}

TEST_F(Faults, ASlowDiskIsNoFailure) {
  const fs::path run = output("slow");
  simulate(run);
  // Every fsync takes longer than a step may.
  const Words impatient{"--set", "patience.heartbeat=2",    "--set", "patience.step=0.7",
                        "--set", "patience.collective=0.7", "--set", "training.steps=200",
                        "--set", "checkpoint.interval=0.5"};
  const ProcessResult result =
      run_weft(training(run, impatient), 2, {{"LD_PRELOAD", WEFT_SLOW_DISK}, {"WEFT_SLOW_DISK_MS", "1000"}});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(is_complete(run));
}

TEST_F(Faults, ASlowSaveIsToldOf) {
  const fs::path run = output("slow");
  simulate(run);
  const Words often{"--set", "training.steps=8000", "--set", "checkpoint.interval=0.2"};
  const ProcessResult result =
      run_weft(training(run, often), 2, {{"LD_PRELOAD", WEFT_SLOW_DISK}, {"WEFT_SLOW_DISK_MS", "500"}});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("s ago is not on the disk yet"), std::string::npos) << result.err;
}

TEST_F(Faults, AStepThatTakesTooLongIsOne) {
  // So that the test before could fail: the same patience, and steps that no rank can take in it.
  const fs::path run = output("hung");
  const ProcessResult result =
      run_weft(run_of(run, {"--set", "patience.step=1e-9", "--set", "training.steps=10000000"}));
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.err.find("patience.step"), std::string::npos) << result.err;
}

/// Something that a program has done to a file or a folder.
struct DiskEvent {
  std::string what;  ///< write, sync, rename or remove
  fs::path path;
  fs::path to;  ///< of a rename

  bool operator==(const DiskEvent&) const = default;
};

using DiskEvents = std::span<const DiskEvent>;

/// What slow_disk.cpp has noted, in its order.
std::vector<DiskEvent> read_disk_log(const fs::path& log) {
  std::istringstream lines(read_text(log));
  std::vector<DiskEvent> events;
  for (std::string what, path, to;
       std::getline(lines, what, '\t') && std::getline(lines, path, '\t') && std::getline(lines, to);)
    events.push_back({what, path, to});
  return events;
}

/// Whether each of `expected` comes somewhere behind the one before it; then `events` is what follows the
/// last of them.
testing::AssertionResult come_in_order(DiskEvents& events, const std::vector<DiskEvent>& expected) {
  std::string former = "the beginning";
  for (const auto& [what, path, to] : expected) {
    const auto found = std::ranges::find(events, DiskEvent{what, path, to});
    const std::string name = fmt::format("{} of {}", what, path.string());
    if (found == events.end()) return testing::AssertionFailure() << "no " << name << " after " << former;
    events = {found + 1, events.end()};
    former = name;
  }
  return testing::AssertionSuccess();
}

/// What follows the last write to a file; nothing where there is none.
DiskEvents behind_the_last_write(DiskEvents events, const fs::path& file) {
  const auto last = std::ranges::find(events.rbegin(), events.rend(), DiskEvent{"write", file, {}});
  return {last == events.rend() ? events.end() : last.base(), events.end()};
}

/// What a training on so many ranks has done to its checkpoints.
class CheckpointsOnDisk {
 public:
  CheckpointsOnDisk(fs::path root, std::vector<DiskEvent> events, int ranks)
      : root_(std::move(root)), ranks_(ranks), events_(std::move(events)) {
    for (std::size_t k = 0; k < events_.size(); ++k)
      if (gives_a_name(events_[k])) named_.push_back(k);
  }

  std::size_t count() const { return named_.size(); }
  std::ptrdiff_t removals() const { return removals_in(events_); }

  /// Each file is on the disk before the manifest, that before it has its name, and all of it before the
  /// checkpoint has its own. `latest` comes behind that, and what is superseded goes last.
  void expect_order(std::size_t checkpoint) const {
    const auto& [what, temporary, folder] = events_[named_[checkpoint]];
    const DiskEvents part = part_of(checkpoint);
    const std::vector<DiskEvent> order = order_of(temporary, folder);
    for (const fs::path& file : files_in(temporary)) {
      DiskEvents rest = behind_the_last_write(part, file);
      ASSERT_TRUE(come_in_order(rest, {{"sync", file, {}}})) << file;
      ASSERT_TRUE(come_in_order(rest, order)) << file;
    }
    const std::vector<DiskEvent> latest = replacement(root_ / "latest");
    DiskEvents rest = behind_the_last_write(part, latest.front().path);
    ASSERT_TRUE(come_in_order(rest, latest));
    rest = behind_the_last_write(part, order.front().path);
    ASSERT_TRUE(come_in_order(rest, order));
    // What the checkpoint before it has superseded may go until this one has its name.
    const std::size_t quiet = checkpoint == 0 ? 0 : named_[checkpoint] - begin_of(checkpoint);
    ASSERT_EQ(removals_in(part.first(part.size() - rest.size()).subspan(quiet)), 0) << folder;
  }

 private:
  std::size_t begin_of(std::size_t checkpoint) const {
    return checkpoint == 0 ? 0 : named_[checkpoint - 1] + 1;
  }

  /// From where the one before it has its name until the one behind it has.
  DiskEvents part_of(std::size_t checkpoint) const {
    const std::size_t end = checkpoint + 1 == count() ? events_.size() : named_[checkpoint + 1];
    return DiskEvents(events_).first(end).subspan(begin_of(checkpoint));
  }

  /// What has to be done when the files are on the disk.
  std::vector<DiskEvent> order_of(const fs::path& temporary, const fs::path& folder) const {
    std::vector<DiskEvent> order = replacement(temporary / "manifest.json");
    order.insert(order.end(), {{"rename", temporary, folder}, {"sync", root_, {}}});
    const std::vector<DiskEvent> latest = replacement(root_ / "latest");
    order.insert(order.end(), latest.begin(), latest.end());
    return order;
  }

  bool gives_a_name(const DiskEvent& event) const {
    return event.what == "rename" && event.to.parent_path() == root_ &&
           event.path == event.to.string() + ".tmp" && event.to.filename().string().starts_with("step_");
  }

  /// Of a whole checkpoint, or of something in it.
  std::ptrdiff_t removals_in(DiskEvents events) const {
    return std::ranges::count_if(events, [this](const DiskEvent& event) {
      const fs::path inside = event.path.lexically_relative(root_);
      const fs::path folder = inside.empty() ? inside : *inside.begin();
      return (event.what == "remove" || event.what == "rename") && folder.string().starts_with("step_") &&
             folder.extension() != ".tmp";
    });
  }

  static std::vector<DiskEvent> replacement(const fs::path& file) {
    const fs::path temporary = file.string() + ".tmp";
    return {{"sync", temporary, {}}, {"rename", temporary, file}, {"sync", file.parent_path(), {}}};
  }

  std::vector<fs::path> files_in(const fs::path& checkpoint) const {
    std::vector<fs::path> files{checkpoint / "common.h5"};
    for (int rank = 0; rank < ranks_; ++rank)
      files.push_back(checkpoint / fmt::format("shard_r{:04}_of_{:04}.h5", rank, ranks_));
    return files;
  }

  fs::path root_;
  int ranks_;
  std::vector<DiskEvent> events_;
  std::vector<std::size_t> named_;  ///< where in them checkpoints got their names
};

TEST_F(Faults, WhatIsOldStaysUntilWhatIsNewIsOnTheDisk) {
  // What the kernel tells of its files has no links in it.
  const fs::path folder = fs::canonical(folder_.path());
  for (const int ranks : {1, 2}) {
    SCOPED_TRACE(fmt::format("{} ranks", ranks));
    const fs::path run = folder / fmt::format("on_{}", ranks);
    const fs::path log = run.string() + ".log";
    ASSERT_NO_FATAL_FAILURE(simulate(run));
    const ProcessResult result = run_weft(training(run, {"--set", "checkpoint.interval=1e-6"}), ranks,
                                          {{"LD_PRELOAD", WEFT_SLOW_DISK}, {"WEFT_DISK_LOG", log.string()}});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const CheckpointsOnDisk checkpoints(run / "checkpoints", read_disk_log(log), ranks);
    ASSERT_GE(checkpoints.count(), 3U);
    EXPECT_GT(checkpoints.removals(), 0);
    for (std::size_t checkpoint = 0; checkpoint < checkpoints.count(); ++checkpoint)
      ASSERT_NO_FATAL_FAILURE(checkpoints.expect_order(checkpoint));
  }
}

TEST_F(Faults, ALossThatIsNotFiniteNamesTheLastGoodCheckpoint) {
  const Words wild{"--set", "training.learning_rate.connectivity=1e30",
                   "--set", "training.divergence=rewind",
                   "--set", "training.most_rewinds=2",
                   "--set", "checkpoint.interval=0"};
  const fs::path run = output("wild");
  const ProcessResult result = run_weft(run_of(run, wild), 2);
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_NE(result.err.find("in smaller steps"), std::string::npos) << result.err;
  EXPECT_NE(
      result.err.find("the last good checkpoint is " + (run / "checkpoints" / "step_000000000000").string()),
      std::string::npos)
      << result.err;
}

/// A derivative that no model can have, in one frame of a dataset that one rank has simulated.
void spoil_a_frame(const fs::path& run) {
  const hdf5::File file = hdf5::File::open_for_update(run / "data" / "shards" / "rank_00000.h5");
  const std::vector<float> beyond(61, 1e30F);
  file.dataset("/derivative").write<float>({500, 0}, {1, std::ssize(beyond)}, beyond);
}

TEST_F(Faults, ATrainingThatDivergesStopsAndNamesItsLastGoodCheckpoint) {
  const fs::path run = output("wild");
  // It goes well until the one frame is drawn.
  const Words rare{"--set", "simulation.frames=1000",  //
                   "--set", "training.batch_size=1",   //
                   "--set", "training.steps=8000",     //
                   "--set", "checkpoint.interval=1e-6"};
  ASSERT_NO_FATAL_FAILURE(simulate(run, rare));
  spoil_a_frame(run);
  const ProcessResult result = run_weft(training(run, rare), 2);
  EXPECT_EQ(result.exit_code, 2) << result.err;
  const std::int64_t good = newest_step(run / "checkpoints");
  EXPECT_GE(good, 1);
  expect_newest_is_sound(run / "checkpoints");
  for (const auto& [name, values] : checkpoint_of(run))
    EXPECT_TRUE(std::ranges::all_of(values, [](double value) { return std::isfinite(value); })) << name;
  const std::string named =
      fmt::format("the last good checkpoint is {}/step_{:012}\n", (run / "checkpoints").string(), good);
  EXPECT_TRUE(result.err.ends_with(named)) << result.err;
}

TEST_F(Faults, ATrainingThatDivergesGoesOnInSmallerSteps) {
  // Half as large 24 times, the rates are the usual ones.
  const Words wild{"--set", "training.learning_rate.connectivity=16777.216",
                   "--set", "training.learning_rate.embedding=8388.608",
                   "--set", "training.learning_rate.phi=838.8608",
                   "--set", "training.learning_rate.psi=838.8608",
                   "--set", "training.divergence=rewind",
                   "--set", "training.most_rewinds=100",
                   "--set", "checkpoint.interval=0",
                   "--set", "training.steps=50"};
  const ProcessResult result = run_weft(run_of(output("wild"), wild), 2);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(is_complete(output("wild")));
}

TEST_F(Faults, TheHoursAreOverInTheEvaluation) {
  const fs::path run = output("evaluated");
  simulate(run);
  const Words options{"--set", "training.steps=50"};
  ASSERT_EQ(run_weft(training(run, options), 2).exit_code, 0);
  Words evaluation = training(run, options);
  evaluation.front() = "evaluate";
  const ProcessResult stopped = run_weft(with(evaluation, {"--max-hours", "1e-9"}), 2);
  EXPECT_EQ(stopped.exit_code, kStopped) << stopped.err;
  EXPECT_NE(stopped.err.find("evaluate, before activity"), std::string::npos) << stopped.err;
  EXPECT_FALSE(fs::exists(run / "results" / "metrics.json"));
  EXPECT_EQ(run_weft(evaluation, 2).exit_code, 0);
}

}  // namespace
}  // namespace weft
