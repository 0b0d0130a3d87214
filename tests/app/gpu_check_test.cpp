#include "app/gpu_check.hpp"

#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/ops/host_name.hpp"

#include "support/made_up_gpu.hpp"
#include "support/mpi_main.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

constexpr std::array kAll{Stage::simulate, Stage::train, Stage::evaluate, Stage::report};

/// A run of 600 neurons on GPUs with so much memory free, the last rank's but for what is said.
struct RunOnGpus {
  Config config = parse_config("simulation: {neurons: 600, frames: 2000}", "c.yaml");
  std::int64_t free_bytes = 2'000'000'000;
  std::int64_t last_free_bytes = 2'000'000'000;

  std::vector<std::string> check(std::span<const Stage> stages) const {
    const int rank = test_world().rank();
    const bool last = rank + 1 == test_world().size();
    MadeUpGpu gpu(fmt::format("GPU-{}", rank), last ? last_free_bytes : free_bytes);
    StopRequest nobody({});
    return check_gpus({gpu, test_world(), config, RunFolder{"nowhere"}, 1, {}, nobody, nullptr, ""}, stages);
  }
};

TEST(CheckGpus, MakesATableOfAllRanks) {
  const std::vector<std::string> table = RunOnGpus().check(kAll);
  const int ranks = test_world().size();
  ASSERT_EQ(std::ssize(table), 1 + ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    const std::string rows = fmt::format("{} to {}", 600 / ranks * rank, 600 / ranks * (rank + 1) - 1);
    EXPECT_THAT(table[static_cast<std::size_t>(rank + 1)],
                testing::AllOf(testing::HasSubstr(host_name()), testing::HasSubstr("made-up GPU"),
                               testing::HasSubstr(fmt::format("GPU-{}", rank)), testing::HasSubstr(rows),
                               testing::HasSubstr("of 2.00 GB")));
  }
}

TEST(CheckGpus, ReplicasHaveTheSameRows) {
  RunOnGpus run;
  run.config.training.replicas = test_world().size();
  const std::vector<std::string> table = run.check(kAll);
  for (std::size_t line = 1; line < table.size(); ++line)
    EXPECT_THAT(table[line], testing::HasSubstr("0 to 599"));
}

TEST(CheckGpus, HasNothingToSayWhereNoStageComputes) {
  RunOnGpus run;
  run.free_bytes = run.last_free_bytes = 0;
  EXPECT_TRUE(run.check(std::array{Stage::evaluate, Stage::report}).empty());
}

TEST(CheckGpus, ASimulationThatDoesNotFitSaysHowManyRanksWould) {
  RunOnGpus run;
  run.config.simulation.neurons = 20000;
  run.last_free_bytes = 20'000'000;  // 247 rows of 80 kB, beside the frames
  run.config.simulation.frames = 10;
  run.config.simulation.burn_in = 10;
  expect_user_error(
      [&] { run.check(std::array{Stage::simulate}); },
      {"device: `weft simulate` needs ", " of GPU memory on each rank, of which 0.02 GB are free",
       fmt::format("on the made-up GPU of rank {}", test_world().size() - 1),
       "start 81 ranks or more, each with a GPU like this one, or set device: cpu"});
}

TEST(CheckGpus, AMatrixThatEveryRankHoldsIsNotHelpedByMoreRanks) {
  RunOnGpus run;
  run.config.simulation.neurons = 60000;
  run.config.simulation.frames = 70000;
  run.free_bytes = run.last_free_bytes = 10'000'000'000;  // the matrix takes 14.4 GB
  expect_user_error([&] { run.check(std::array{Stage::train}); },
                    {"`weft train` needs ", "no number of ranks would do", "set training.method: adam"});
}

TEST(CheckGpus, DataThatDoNotFitStayOnTheHost) {
  RunOnGpus run;
  run.config.training.method = TrainingMethod::adam;
  run.config.simulation.frames = 1'000'000;  // 4.8 GB of series
  EXPECT_EQ(std::ssize(run.check(std::array{Stage::train})), 1 + test_world().size());
}

}  // namespace
}  // namespace weft
