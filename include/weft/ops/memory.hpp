#pragma once

#include <cstdint>
#include <filesystem>

namespace weft {

/// The most physical memory that this process has held so far [bytes] (VmHWM of Linux). Local.
/// @throws InternalError where the system does not tell.
std::int64_t peak_resident_bytes();
/// The physical memory that this process holds now [bytes] (VmRSS of Linux). Local.
/// @throws InternalError where the system does not tell.
std::int64_t resident_bytes();

struct MachineMemory {
  std::int64_t available;  ///< what may still be taken without swapping [bytes]
  std::int64_t total;      ///< [bytes]
};

/// The memory of this machine, or of the container or Slurm job that the process is in where its limit (of
/// the control groups, version 1 or 2) leaves less. What a group holds of files that were read is available.
/// `root` is where /proc and /sys are. Local.
/// @throws InternalError where the system does not tell.
MachineMemory machine_memory(const std::filesystem::path& root = "/");

/// Has blocks of a megabyte and more returned to the system as soon as they are freed: glibc otherwise comes
/// to keep blocks of up to 32 MB, and a process that works on matrices then holds half as much again as it
/// uses. Applies to the whole process, all its threads, and to blocks that are allocated from then on, so it
/// is to be called before the large ones are. Local.
void return_freed_memory();

}  // namespace weft
