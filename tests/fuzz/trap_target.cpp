#include <cstdlib>
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

/// As the dataset reader does: a child process goes first, and nobody hears what is said of its crash.
void fail_aside(std::size_t size) {
  const pid_t child = fork();
  if (child == 0) {
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    const std::vector<char> bytes(size);
    const volatile char* const beyond = bytes.data() + bytes.size();
    _exit(*beyond == 0 ? 0 : 1);  // an error that no machine notices, but sanitizers do
  }
  waitpid(child, nullptr, 0);
  throw UserError({"trap", "refused", "", ""});
}

void read(View input) {
  const std::string text = text_of(input);
  if (text == "abort") std::abort();
  if (text == "throw") throw std::length_error("not a refusal");
  if (text == "lines") throw UserError("two\nlines");
  if (text == "aside") fail_aside(text.size());
  if (text == "refuse") throw UserError({"trap", "refused", "", ""});
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> all;
  for (const char* text : {"read", "abort", "throw", "lines", "refuse", "aside"}) {
    const View bytes = bytes_of(text);
    all.emplace_back(bytes.begin(), bytes.end());
  }
  return all;
}

}  // namespace

const Target kTrap{"trap", [](View input) { return outcome_of(read, input); }, seeds,
                   [] { return std::vector<std::string>{"-"}; }};

}  // namespace weft::fuzz
