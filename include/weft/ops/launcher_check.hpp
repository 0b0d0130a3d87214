#pragma once

#include <cstdlib>
#include <functional>

namespace weft {

/// The value of an environment variable, or null; `std::getenv` unless a test says otherwise.
using EnvironmentLookup = std::function<const char*(const char*)>;

/// To be called before MPI begins: of a process that srun started without PMIx or PMI, Open MPI makes an end
/// in MPI_Init, with a page of its own. Local. @throws UserError
void check_direct_launch(const EnvironmentLookup& lookup = [](const char* name) {
  return std::getenv(name);
});

/// Whether this process is the one of its Slurm step that tells the user what all know, before MPI knows of
/// ranks. True outside of Slurm. Local.
bool speaks_for_all_tasks(const EnvironmentLookup& lookup = [](const char* name) {
  return std::getenv(name);
});

/// Finds the trap where Slurm starts N processes and MPI, not knowing of Slurm, makes each of them a run of
/// its own: N singletons that do the same work and write the same files.
///
/// Compares MPI's number of ranks with that of the Slurm step (SLURM_STEP_NUM_TASKS) or, outside a step, of
/// the job (SLURM_NTASKS). Several ranks that mpirun started itself (OMPI_COMM_WORLD_SIZE) are not compared
/// with the step: on other nodes they run inside the step of mpirun's own daemons, one task a node. Local.
///
/// @throws UserError where they differ, or where Slurm's number is none.
void check_launcher(
    int mpi_size, const EnvironmentLookup& lookup = [](const char* name) { return std::getenv(name); });

}  // namespace weft
