#pragma once

namespace weft {

/// Makes our own loops and LibTorch use so many threads in this process. Without it LibTorch chooses for both
/// when it is first used. Local; to be called from the main thread.
void set_threads(int threads);

}  // namespace weft
