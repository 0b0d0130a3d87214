#include "support/stand_in_device/stand_in_memory.hpp"

#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <c10/util/Exception.h>

namespace weft::stand_in {
namespace {

/// Addresses, not memory: only pages that were touched are there.
constexpr std::size_t kReserved = std::size_t{1} << 42;
constexpr std::size_t kPage = 4096;

std::size_t whole_pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

char* map_untouchable(int file) {
  void* address = mmap(nullptr, kReserved, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0);
  TORCH_CHECK(address != MAP_FAILED, "no addresses for the memory of the stand-in device");
  return static_cast<char*>(address);
}

}  // namespace

// Never destroyed: tensors may live until the process ends.
Memory& Memory::instance() {
  static Memory& memory = *new Memory;
  return memory;
}

Memory::Memory() : file_(memfd_create("weft stand-in device", MFD_CLOEXEC)) {
  TORCH_CHECK(file_ >= 0 && ftruncate(file_, kReserved) == 0, "no memory for the stand-in device");
  device_ = map_untouchable(file_);
  host_ = map_untouchable(file_);
}

std::shared_ptr<Memory::Block> Memory::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::size_t offset = used_;
  TORCH_CHECK(bytes < kReserved - kPage && offset + whole_pages(bytes) + kPage <= kReserved,
              "the addresses of the stand-in device are used up");
  TORCH_CHECK(mprotect(host_ + offset, whole_pages(bytes), PROT_READ | PROT_WRITE) == 0,
              "no memory for the stand-in device");
  used_ += whole_pages(bytes) + kPage;
  auto block = std::make_shared<Block>(offset, bytes);
  blocks_.emplace(offset, block);
  block->spoil();
  return block;
}

std::vector<std::shared_ptr<Memory::Block>> Memory::live() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Block>> result;
  for (const auto& [offset, block] : blocks_) {
    if (auto owned = block.lock()) result.push_back(std::move(owned));
  }
  return result;
}

bool Memory::holds(const void* device) const {
  const auto address = reinterpret_cast<std::uintptr_t>(device);
  const auto begin = reinterpret_cast<std::uintptr_t>(device_);
  return address >= begin && address < begin + kReserved;
}

void* Memory::host_address(const void* device) const {
  if (device == nullptr) return nullptr;
  TORCH_CHECK(holds(device), "an address that is none of the stand-in device's");
  const std::size_t offset =
      reinterpret_cast<std::uintptr_t>(device) - reinterpret_cast<std::uintptr_t>(device_);
  std::shared_ptr<Block> block;
  {
    const std::lock_guard lock(mutex_);
    const auto after = blocks_.upper_bound(offset);
    if (after != blocks_.begin()) block = std::prev(after)->second.lock();
  }
  TORCH_CHECK(block != nullptr && device <= static_cast<char*>(block->device()) + block->bytes(),
              "memory of the stand-in device that is not there, or no more");
  return host_ + offset;
}

void Memory::forget(std::size_t offset) {
  const std::lock_guard lock(mutex_);
  blocks_.erase(offset);
}

Memory::Block::~Block() {
  Memory& memory = instance();
  memory.forget(offset_);
  const auto offset = static_cast<off_t>(offset_);
  const auto pages = static_cast<off_t>(whole_pages(bytes_));
  mprotect(memory.host_ + offset_, whole_pages(bytes_), PROT_NONE);
  fallocate(memory.file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, pages);
}

void* Memory::Block::device() const { return instance().device_ + offset_; }
void* Memory::Block::host() const { return instance().host_ + offset_; }
void Memory::Block::spoil() const { std::memset(host(), 0xFF, bytes_); }

}  // namespace weft::stand_in
