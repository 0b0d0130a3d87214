#include "weft/ops/launcher_check.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "support/user_error.hpp"

namespace weft {
namespace {

EnvironmentLookup environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(DirectLaunch, ByWhateverBringsTheRanksTogetherWillDo) {
  EXPECT_NO_THROW(check_direct_launch(environment({})));
  EXPECT_NO_THROW(check_direct_launch(environment({{"SLURM_JOB_ID", "7"}, {"SLURM_NODELIST", "node1"}})))
      << "in a batch script";
  for (const char* launcher : {"PMIX_RANK", "PMI_RANK", "PMI_FD", "OMPI_COMM_WORLD_SIZE"})
    EXPECT_NO_THROW(check_direct_launch(
        environment({{"SLURM_STEP_ID", "0"}, {"SLURM_NODELIST", "node1"}, {launcher, "1"}})));
}

TEST(DirectLaunch, BySrunWithoutPmixIsExplained) {
  expect_user_error(
      [] {
        check_direct_launch(environment(
            {{"SLURM_STEP_ID", "0"}, {"SLURM_NODELIST", "node1"}, {"SLURM_STEP_NUM_TASKS", "4"}}));
      },
      {"srun: 4 tasks started without PMIx", "srun --mpi=pmix", "mpirun -n 4", "unset SLURM_STEP_ID"});
}

TEST(SpeaksForAllTasks, IsTheFirstOfAStep) {
  EXPECT_TRUE(speaks_for_all_tasks(environment({})));
  EXPECT_TRUE(speaks_for_all_tasks(environment({{"SLURM_PROCID", "0"}})));
  EXPECT_FALSE(speaks_for_all_tasks(environment({{"SLURM_PROCID", "3"}})));
}

TEST(LauncherCheck, WithoutSlurmAnyNumberWillDo) {
  EXPECT_NO_THROW(check_launcher(1, environment({})));
  EXPECT_NO_THROW(check_launcher(4, environment({})));
}

TEST(LauncherCheck, EqualNumbersWillDo) {
  EXPECT_NO_THROW(check_launcher(4, environment({{"SLURM_NTASKS", "4"}})));
  EXPECT_NO_THROW(check_launcher(1, environment({{"SLURM_NTASKS", "1"}, {"SLURM_STEP_NUM_TASKS", "1"}})));
}

TEST(LauncherCheck, SingletonsAreExplained) {
  expect_user_error(
      [] {
        check_launcher(1, environment({{"SLURM_NTASKS", "8"}}));
      },
      {"SLURM_NTASKS: Slurm has 8 tasks but MPI sees 1 rank,", "each process would do a run of its own",
       "srun --mpi=pmix", "mpirun -n 8", "to run as one process, unset SLURM_NTASKS"});
}

TEST(LauncherCheck, FewerRanksThanTasksAreRefused) {
  expect_user_error(
      [] {
        check_launcher(2, environment({{"SLURM_NTASKS", "4"}}));
      },
      {"Slurm has 4 tasks but MPI sees 2 ranks", "to run as 2 ranks, unset"});
}

TEST(LauncherCheck, TheStepGoesBeforeTheJob) {
  EXPECT_NO_THROW(check_launcher(2, environment({{"SLURM_NTASKS", "8"}, {"SLURM_STEP_NUM_TASKS", "2"}})));
  expect_user_error(
      [] {
        check_launcher(1, environment({{"SLURM_NTASKS", "1"}, {"SLURM_STEP_NUM_TASKS", "3"}}));
      },
      {"SLURM_STEP_NUM_TASKS: Slurm has 3 tasks", "unset SLURM_STEP_NUM_TASKS"});
}

TEST(LauncherCheck, TheStepOfTheDaemonsOfMpirunIsNotCompared) {
  const std::map<std::string, std::string> remote_rank{
      {"SLURM_NTASKS", "2"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"OMPI_COMM_WORLD_SIZE", "16"}};
  EXPECT_NO_THROW(check_launcher(16, environment(remote_rank)));
}

TEST(LauncherCheck, ASingletonIsFoundWhateverMpirunLeftBehind) {
  expect_user_error(
      [] {
        check_launcher(1, environment({{"SLURM_STEP_NUM_TASKS", "3"}, {"OMPI_COMM_WORLD_SIZE", "1"}}));
      },
      {"Slurm has 3 tasks but MPI sees 1 rank"});
}

TEST(LauncherCheck, ANumberThatIsNoneIsRefused) {
  for (const std::string text : {"many", "", "4x", "0", "-1"}) {
    expect_user_error(
        [&] {
          check_launcher(1, environment({{"SLURM_NTASKS", text}}));
        },
        {"SLURM_NTASKS: \"" + text + "\"", "a number of tasks", "unset SLURM_NTASKS"});
  }
}

}  // namespace
}  // namespace weft
