#include "weft/train/equal_neurons.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "weft/comm/sums.hpp"

namespace weft {
namespace {

// The constants of the 64-bit FNV-1a hash, by whole numbers rather than bytes.
constexpr std::uint64_t kStart = 0xcbf29ce484222325;
constexpr std::uint64_t kFactor = 0x100000001b3;

/// A number for each own neuron that is the same for the same series; 0 for a constant one.
std::vector<std::int64_t> hash_columns(const TrainingData& data) {
  const std::int64_t rows = data.activity.size(1);
  const float* const x = data.activity.const_data_ptr<float>();
  std::vector<std::uint64_t> hash(static_cast<std::size_t>(rows), kStart);
  std::vector<char> varies(static_cast<std::size_t>(rows), 0);
  for (std::int64_t t = 0; t < data.activity.size(0); ++t) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const auto bits = std::bit_cast<std::uint32_t>(x[t * rows + i]);
      hash[k] = (hash[k] ^ bits ^ (hash[k] >> 32)) * kFactor;
      varies[k] |= static_cast<char>(x[t * rows + i] != x[i]);
    }
  }
  std::vector<std::int64_t> result(hash.size());
  for (std::size_t k = 0; k < hash.size(); ++k)
    result[k] = varies[k] ? std::bit_cast<std::int64_t>(hash[k] | 1) : 0;
  return result;
}

}  // namespace

std::optional<std::pair<std::int64_t, std::int64_t>> find_equal_neurons(Communicator& rows,
                                                                        const TrainingData& data) {
  const std::vector<std::int64_t> all = gather_blocks(rows, hash_columns(data), data.partition.sizes());
  std::vector<std::pair<std::int64_t, std::int64_t>> sorted;
  for (std::size_t j = 0; j < all.size(); ++j)
    if (all[j] != 0) sorted.emplace_back(all[j], static_cast<std::int64_t>(j));
  std::ranges::sort(sorted);
  const auto same =
      std::ranges::adjacent_find(sorted, [](const auto& a, const auto& b) { return a.first == b.first; });
  if (same == sorted.end()) return std::nullopt;
  return std::pair(same->second, (same + 1)->second);
}

}  // namespace weft
