#include "weft/ops/launcher_check.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

constexpr const char* kStepTasks = "SLURM_STEP_NUM_TASKS";
constexpr const char* kJobTasks = "SLURM_NTASKS";
constexpr const char* kMpirunSize = "OMPI_COMM_WORLD_SIZE";

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool started_by_mpirun(int mpi_size, const EnvironmentLookup& lookup) {
  const char* size = lookup(kMpirunSize);
  return mpi_size > 1 && size != nullptr && whole_number(size) == mpi_size;
}

int task_count(const char* variable, std::string_view text) {
  const auto tasks = whole_number(text);
  if (tasks && *tasks > 0) return *tasks;
  throw UserError(
      {variable, fmt::format("\"{}\"", text), "a number of tasks", fmt::format("unset {}", variable)});
}

}  // namespace

void check_direct_launch(const EnvironmentLookup& lookup) {
  if (lookup("SLURM_STEP_ID") == nullptr || lookup("SLURM_NODELIST") == nullptr) return;
  for (const char* const variable : {kMpirunSize, "PMIX_RANK", "PMI_RANK", "PMI_FD"})
    if (lookup(variable) != nullptr) return;
  const char* const tasks = lookup(kStepTasks);
  throw UserError(
      {"srun",
       fmt::format("{} started without PMIx", tasks == nullptr ? "tasks" : fmt::format("{} tasks", tasks)),
       "PMIx, by which the ranks find each other",
       fmt::format("start with `srun --mpi=pmix` or `mpirun -n {}`; to run as one process, unset "
                   "SLURM_STEP_ID",
                   tasks == nullptr ? "N" : tasks)});
}

bool speaks_for_all_tasks(const EnvironmentLookup& lookup) {
  const char* const task = lookup("SLURM_PROCID");
  return task == nullptr || std::string_view(task) == "0";
}

void check_launcher(int mpi_size, const EnvironmentLookup& lookup) {
  const bool in_step = lookup(kStepTasks) != nullptr;
  if (in_step && started_by_mpirun(mpi_size, lookup)) return;
  const char* variable = in_step ? kStepTasks : kJobTasks;
  const char* text = lookup(variable);
  if (text == nullptr) return;
  const int tasks = task_count(variable, text);
  if (tasks == mpi_size) return;
  throw UserError(
      {variable,
       fmt::format("Slurm has {} tasks but MPI sees {} rank{}, so each process would do a run of its own",
                   tasks, mpi_size, mpi_size == 1 ? "" : "s"),
       "the same number",
       fmt::format("start with `srun --mpi=pmix` or `mpirun -n {}`; to run as {}, unset {}", tasks,
                   mpi_size == 1 ? "one process" : fmt::format("{} ranks", mpi_size), variable)});
}

}  // namespace weft
