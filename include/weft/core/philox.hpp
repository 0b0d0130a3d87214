#pragma once

#include <array>
#include <cstdint>

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
/// a simulation the same on any number of ranks and threads. Local, stateless, safe to share between threads.
class Philox {
 public:
  using Words = std::array<std::uint32_t, 4>;

  Philox(std::uint64_t seed, RandomStream stream);

  /// Four words of 32 random bits. `item` is most often a global row, or row * columns + column.
  Words words(std::uint64_t step, std::uint64_t item) const;
  /// Uniform on the open interval (0, 1), 52 random bits.
  double uniform(std::uint64_t step, std::uint64_t item) const;
  /// Standard normal (Box & Muller 1958, the cosine half).
  double normal(std::uint64_t step, std::uint64_t item) const;
  /// Standard Cauchy: tan(pi (u - 1/2)).
  double cauchy(std::uint64_t step, std::uint64_t item) const;
  /// A whole number in [0, bound), bound > 0; the bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound, std::uint64_t step, std::uint64_t item) const;

 private:
  std::array<std::uint32_t, 2> key_;
};

}  // namespace weft
