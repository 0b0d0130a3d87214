#include <cstdlib>
#include <stdexcept>

#include "weft/core/error.hpp"

#include "target.hpp"

namespace weft::fuzz {
namespace {

void read(View input) {
  const std::string text = text_of(input);
  if (text == "abort") std::abort();
  if (text == "throw") throw std::length_error("not a refusal");
  if (text == "lines") throw UserError("two\nlines");
  if (text == "refuse") throw UserError({"trap", "refused", "", ""});
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> all;
  for (const char* text : {"read", "abort", "throw", "lines", "refuse"}) {
    const View bytes = bytes_of(text);
    all.emplace_back(bytes.begin(), bytes.end());
  }
  return all;
}

}  // namespace

const Target kTrap{"trap", [](View input) { return outcome_of(read, input); }, seeds,
                   [] { return std::vector<std::string>{"-"}; }};

}  // namespace weft::fuzz
