#pragma once

#include <cstdint>

namespace weft {

/// The most physical memory that this process has held so far [bytes] (VmHWM of Linux). Local.
/// @throws InternalError where the system does not tell.
std::int64_t peak_resident_bytes();

/// Has blocks of a megabyte and more returned to the system as soon as they are freed: glibc otherwise comes
/// to keep blocks of up to 32 MB, and a process that works on matrices then holds half as much again as it
/// uses. Applies to the whole process, all its threads, and to blocks that are allocated from then on, so it
/// is to be called before the large ones are. Local.
void return_freed_memory();

}  // namespace weft
