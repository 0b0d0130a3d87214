#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "weft/comm/communicator.hpp"

namespace weft {

/// Ranks that are processes of this machine and share a file's memory: a world without MPI, whose launcher
/// would end the others of a rank that dies. Knows broadcasts, gathers and barriers of host memory.
class SharedMemoryWorld final : public Communicator {
 public:
  /// Makes the file, before any rank starts.
  static void prepare(const std::string& file, int size);

  SharedMemoryWorld(const std::string& file, int rank, int size);
  ~SharedMemoryWorld() override;
  SharedMemoryWorld(const SharedMemoryWorld&) = delete;
  SharedMemoryWorld& operator=(const SharedMemoryWorld&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  Pending all_reduce(Buffer values, Reduction reduction) override;
  Pending all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) override;
  Pending reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) override;
  Pending broadcast(Buffer values, int root) override;
  void barrier() override;
  std::unique_ptr<Communicator> split(int color) override;

 private:
  struct Memory;

  /// Own bytes to `own_at` of the memory; the first `all.size()` of it to `all`.
  void exchange(std::span<const std::byte> own, std::size_t own_at, std::span<std::byte> all);

  int rank_;
  int size_;
  Memory* memory_;
};

}  // namespace weft
