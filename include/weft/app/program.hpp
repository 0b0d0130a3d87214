#pragma once

namespace weft {

/// The `weft` program: everything but the C++ entry point. Returns the exit code. Prints; ends all ranks
/// where one of them fails in a way that the others cannot know of.
int run_program(int argc, char** argv);

}  // namespace weft
