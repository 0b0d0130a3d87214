#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "weft/core/host_device.hpp"

namespace weft {

/// What a random number is for. Streams with the same seed are independent of each other.
enum class RandomStream : std::uint32_t {
  connectivity = 1,
  initial_state = 2,
  process_noise = 3,
  training_frames = 4,
  initial_connectivity = 5,
  initial_psi = 6,
  initial_phi = 7,
  clustering = 8,
  figures = 9,
  derivative_noise = 10,
  distillation = 11,
};

/// Counter-based random numbers, Philox 4x32 with 10 rounds (Salmon, Moraes, Dror & Shaw, SC 2011).
/// A number depends on (seed, stream, step, item) alone, never on who asks for it or when: that is what makes
/// a simulation the same on any number of ranks and threads. Words and uniform numbers are the same, bit for
/// bit, on the host and on a GPU. Local, stateless, safe to share between threads.
class Philox {
 public:
  using Words = std::array<std::uint32_t, 4>;

  Philox(std::uint64_t seed, RandomStream stream);

  /// Four words of 32 random bits. `item` is most often a global row, or row * columns + column.
  WEFT_HOST_DEVICE Words words(std::uint64_t step, std::uint64_t item) const {
    return mixed({static_cast<std::uint32_t>(item), static_cast<std::uint32_t>(item >> 32),
                  static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)},
                 key_);
  }
  /// Uniform on the open interval (0, 1), 52 random bits.
  WEFT_HOST_DEVICE double uniform(std::uint64_t step, std::uint64_t item) const {
    const Words w = words(step, item);
    return open_unit(w[0], w[1]);
  }
  /// Standard normal (Box & Muller 1958, the cosine half).
  WEFT_HOST_DEVICE double normal(std::uint64_t step, std::uint64_t item) const {
    const Words w = words(step, item);
    const double radius = std::sqrt(-2 * std::log(open_unit(w[0], w[1])));
    return radius * std::cos(2 * std::numbers::pi * open_unit(w[2], w[3]));
  }
  /// Standard Cauchy: tan(pi (u - 1/2)).
  double cauchy(std::uint64_t step, std::uint64_t item) const;
  /// A whole number in [0, bound), bound > 0; the bias is below bound / 2^64.
  WEFT_HOST_DEVICE std::uint64_t below(std::uint64_t bound, std::uint64_t step, std::uint64_t item) const {
    const Words w = words(step, item);
    const std::uint64_t bits = std::uint64_t{w[0]} << 32 | w[1];
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(bits) * bound >> 64);
  }

 private:
  using Key = std::array<std::uint32_t, 2>;

  WEFT_HOST_DEVICE static Words mixed(Words counter, Key key) {
    // Constants of Philox 4x32: two odd multipliers and the Weyl increments of the key.
    constexpr std::uint32_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
    constexpr std::uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t product0 = std::uint64_t{multiplier0} * counter[0];
      const std::uint64_t product1 = std::uint64_t{multiplier1} * counter[2];
      counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
                 static_cast<std::uint32_t>(product1),
                 static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
                 static_cast<std::uint32_t>(product0)};
      key[0] += weyl0;
      key[1] += weyl1;
    }
    return counter;
  }
  WEFT_HOST_DEVICE static double open_unit(std::uint32_t high, std::uint32_t low) {
    const std::uint64_t bits = (std::uint64_t{high} << 32 | low) >> 12;
    return (static_cast<double>(bits) + 0.5) * 0x1p-52;
  }

  Key key_;
};

}  // namespace weft
