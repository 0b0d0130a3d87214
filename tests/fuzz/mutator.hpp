#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "target.hpp"

namespace weft::fuzz {

/// Makes inputs from the seeds of a target. Input k of a seed is the same whenever it is made.
class Mutator {
 public:
  Mutator(const Target& target, std::uint64_t seed);

  /// The first inputs are the seeds themselves; a later one is one of them with a few mutations, 1 MB at
  /// most.
  Bytes input(std::int64_t number) const;
  std::size_t seed_count() const { return seeds_.size(); }

 private:
  std::uint64_t seed_;
  std::vector<Bytes> seeds_;
  std::vector<Bytes> words_;
};

}  // namespace weft::fuzz
