#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace weft::stand_in {

/// Memory that lies at two addresses: that of the device, which the host may not touch, and that of the host.
/// Addresses are not given out twice, and between blocks lies a page that nobody may touch.
class Memory {
 public:
  /// Given back when the last owner lets go of it.
  class Block {
   public:
    Block(std::size_t offset, std::size_t bytes) : offset_(offset), bytes_(bytes) {}
    ~Block();
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    std::size_t bytes() const { return bytes_; }
    void* device() const;
    void* host() const;
    /// Makes all floats NaN and all integers -1.
    void spoil() const;

   private:
    std::size_t offset_, bytes_;
  };

  static Memory& instance();

  /// `bytes` above 0.
  std::shared_ptr<Block> allocate(std::size_t bytes);
  std::vector<std::shared_ptr<Block>> live() const;
  bool holds(const void* device) const;
  /// Throws if no live block is there; the end of a block counts as in it.
  void* host_address(const void* device) const;

 private:
  Memory();
  void forget(std::size_t offset);

  char* device_ = nullptr;
  char* host_ = nullptr;
  int file_ = -1;
  std::size_t used_ = 0;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::weak_ptr<Block>> blocks_;
};

}  // namespace weft::stand_in
