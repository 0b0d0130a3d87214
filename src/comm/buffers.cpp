#include "buffers.hpp"

#include <cstring>
#include <numeric>

#include "weft/core/error.hpp"

namespace weft {
namespace {

template <typename Scalar>
Scalar larger(Scalar a, Scalar b) {
  const bool b_is_nan = b != b;
  return b_is_nan || a < b ? b : a;
}

template <typename Scalar>
void reduce(const std::byte* runs, int ranks, Buffer result, Reduction reduction) {
  const auto* run = reinterpret_cast<const Scalar*>(runs);
  auto* into = static_cast<Scalar*>(result.data);
  for (std::size_t i = 0; i < result.count; ++i) into[i] = run[i];
  for (int rank = 1; rank < ranks; ++rank) {
    run += result.count;
    if (reduction == Reduction::sum) {
      for (std::size_t i = 0; i < result.count; ++i) into[i] = static_cast<Scalar>(into[i] + run[i]);
    } else {
      for (std::size_t i = 0; i < result.count; ++i) into[i] = larger(into[i], run[i]);
    }
  }
}

}  // namespace

std::size_t size_of(ScalarType type) {
  switch (type) {
    case ScalarType::float32:
      return sizeof(float);
    case ScalarType::float64:
      return sizeof(double);
    case ScalarType::int64:
      return sizeof(std::int64_t);
    case ScalarType::byte:
      return 1;
  }
  throw InternalError("an unknown scalar type");
}

Buffer part(Buffer buffer, std::size_t first, std::size_t count) {
  buffer.data = static_cast<std::byte*>(buffer.data) + first * size_of(buffer.type);
  buffer.count = count;
  return buffer;
}

void require_blocks(Buffer own, Buffer all, std::span<const std::int64_t> counts, int rank, int size) {
  require(std::ssize(counts) == size, "a collective needs one count for each rank");
  for (const std::int64_t count : counts) require(count >= 0, "a negative count in a collective");
  require(own.type == all.type, "the two buffers of a collective differ in type");
  require(static_cast<std::int64_t>(own.count) == counts[static_cast<std::size_t>(rank)],
          "a rank's own block differs from its count");
  require(
      static_cast<std::int64_t>(all.count) == std::accumulate(counts.begin(), counts.end(), std::int64_t{0}),
      "the buffer of all blocks differs from the sum of the counts");
}

void reduce_in_rank_order(const std::byte* runs, int ranks, Buffer result, Reduction reduction) {
  switch (result.type) {
    case ScalarType::float32:
      return reduce<float>(runs, ranks, result, reduction);
    case ScalarType::float64:
      return reduce<double>(runs, ranks, result, reduction);
    case ScalarType::int64:
      return reduce<std::int64_t>(runs, ranks, result, reduction);
    case ScalarType::byte:
      return reduce<unsigned char>(runs, ranks, result, reduction);
  }
}

}  // namespace weft
