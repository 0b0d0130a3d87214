#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"

#include "target.hpp"

namespace weft::fuzz {
namespace {

volatile int sink;

void read_beyond_heap(std::size_t size) {
  const std::vector<char> bytes(size);
  sink = *static_cast<const volatile char*>(bytes.data() + bytes.size());
}

void overflow_integer(std::size_t size) {
  sink = std::numeric_limits<int>::max();
  sink = sink + static_cast<int>(size);
}

void read_nowhere(std::size_t size) {
  sink = *reinterpret_cast<const volatile char*>((std::uintptr_t{1} << 45) + size);
}

/// As the dataset reader does: a child process goes first, and nobody hears what is said of its crash.
void fail_aside(void (*failure)(std::size_t), std::size_t size) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    failure(size);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  throw UserError({"trap", "refused", "", ""});
}

void read(View input) {
  const std::string text = text_of(input);
  if (text == "abort") std::abort();
  if (text == "throw") throw std::length_error("not a refusal");
  if (text == "lines") throw UserError("two\nlines");
  if (text == "heap") fail_aside(read_beyond_heap, text.size());
  if (text == "integer") fail_aside(overflow_integer, text.size());
  if (text == "nowhere") fail_aside(read_nowhere, text.size());
  if (text == "refuse") throw UserError({"trap", "refused", "", ""});
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> all;
  for (const char* text : {"read", "abort", "throw", "lines", "refuse", "heap", "integer", "nowhere"}) {
    const View bytes = bytes_of(text);
    all.emplace_back(bytes.begin(), bytes.end());
  }
  return all;
}

}  // namespace

const Target kTrap{"trap", [](View input) { return outcome_of(read, input); }, seeds,
                   [] { return std::vector<std::string>{"-"}; }};

}  // namespace weft::fuzz
