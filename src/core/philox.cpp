#include "weft/core/philox.hpp"

namespace weft {

Philox::Philox(std::uint64_t seed, RandomStream stream) {
  // One Philox call spreads seed and stream over the key, so that neighbouring seeds share nothing.
  const Words spread = mixed({static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                              static_cast<std::uint32_t>(stream), 0},
                             {0, 0});
  key_ = {spread[0], spread[1]};
}

double Philox::cauchy(std::uint64_t step, std::uint64_t item) const {
  return std::tan(std::numbers::pi * (uniform(step, item) - 0.5));
}

}  // namespace weft
