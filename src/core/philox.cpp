#include "weft/core/philox.hpp"

#include <cmath>
#include <numbers>

namespace weft {
namespace {

// Constants of Philox 4x32: two odd multipliers and the Weyl increments of the key.
constexpr std::uint32_t kMultiplier0 = 0xD2511F53;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;

Philox::Words philox(Philox::Words counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

double open_unit(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (std::uint64_t{high} << 32 | low) >> 12;
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

}  // namespace

Philox::Philox(std::uint64_t seed, RandomStream stream) {
  // One Philox call spreads seed and stream over the key, so that neighbouring seeds share nothing.
  const Words mixed = philox({static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                              static_cast<std::uint32_t>(stream), 0},
                             {0, 0});
  key_ = {mixed[0], mixed[1]};
}

Philox::Words Philox::words(std::uint64_t step, std::uint64_t item) const {
  return philox({static_cast<std::uint32_t>(item), static_cast<std::uint32_t>(item >> 32),
                 static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)},
                key_);
}

double Philox::uniform(std::uint64_t step, std::uint64_t item) const {
  const Words w = words(step, item);
  return open_unit(w[0], w[1]);
}

double Philox::normal(std::uint64_t step, std::uint64_t item) const {
  const Words w = words(step, item);
  const double radius = std::sqrt(-2 * std::log(open_unit(w[0], w[1])));
  return radius * std::cos(2 * std::numbers::pi * open_unit(w[2], w[3]));
}

double Philox::cauchy(std::uint64_t step, std::uint64_t item) const {
  return std::tan(std::numbers::pi * (uniform(step, item) - 0.5));
}

std::uint64_t Philox::below(std::uint64_t bound, std::uint64_t step, std::uint64_t item) const {
  const Words w = words(step, item);
  const std::uint64_t bits = std::uint64_t{w[0]} << 32 | w[1];
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(bits) * bound >> 64);
}

}  // namespace weft
