#include <cstdio>
#include <cstdlib>

#include "weft/app/program.hpp"

int main(int argc, char** argv) {
  const int code = weft::run_program(argc, argv);
  if (code == 0) return 0;
  // A thread that waits for a disk may have been left to itself; it must not find what it uses gone.
  std::fflush(nullptr);
  std::_Exit(code);
}
