#pragma once

namespace weft {

/// Whether the caller is the thread that made the static objects of this process, which is the one that
/// computes.
bool on_main_thread();

}  // namespace weft
