#include "shared_memory_world.hpp"

#include <algorithm>
#include <numeric>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "weft/core/error.hpp"

#include "../../src/comm/buffers.hpp"

namespace weft {

struct SharedMemoryWorld::Memory {
  pthread_barrier_t barrier;
  std::byte bytes[65536];

  static Memory* map(const std::string& file) {
    const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    require(descriptor >= 0 && ftruncate(descriptor, sizeof(Memory)) == 0, "memory that can be shared");
    void* const place = mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    require(place != MAP_FAILED, "memory that can be shared");
    close(descriptor);
    return static_cast<Memory*>(place);
  }
};

void SharedMemoryWorld::prepare(const std::string& file, int size) {
  Memory* const memory = Memory::map(file);
  pthread_barrierattr_t shared;
  pthread_barrierattr_init(&shared);
  pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&memory->barrier, &shared, static_cast<unsigned>(size));
  munmap(memory, sizeof(Memory));
}

SharedMemoryWorld::SharedMemoryWorld(const std::string& file, int rank, int size)
    : rank_(rank), size_(size), memory_(Memory::map(file)) {}

SharedMemoryWorld::~SharedMemoryWorld() { munmap(memory_, sizeof(Memory)); }

void SharedMemoryWorld::exchange(std::span<const std::byte> own, std::size_t own_at,
                                 std::span<std::byte> all) {
  require(std::max(all.size(), own_at + own.size()) <= std::size(memory_->bytes), "a small message");
  std::ranges::copy(own, memory_->bytes + own_at);
  barrier();
  std::copy_n(memory_->bytes, all.size(), all.begin());
  barrier();
}

Pending SharedMemoryWorld::all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) {
  require_blocks(own, gathered, counts, rank_, size_);
  const std::size_t element = size_of(own.type);
  const auto before = std::accumulate(counts.begin(), counts.begin() + rank_, std::int64_t{0});
  exchange({static_cast<const std::byte*>(own.data), own.count * element},
           static_cast<std::size_t>(before) * element,
           {static_cast<std::byte*>(gathered.data), gathered.count * element});
  return {};
}

Pending SharedMemoryWorld::broadcast(Buffer values, int root) {
  const std::span<std::byte> bytes(static_cast<std::byte*>(values.data), values.count * size_of(values.type));
  exchange(rank_ == root ? bytes : bytes.first(0), 0, bytes);
  return {};
}

void SharedMemoryWorld::barrier() { pthread_barrier_wait(&memory_->barrier); }

Pending SharedMemoryWorld::all_reduce(Buffer, Reduction) { throw InternalError("not known here"); }
Pending SharedMemoryWorld::reduce_scatter(Buffer, Buffer, std::span<const std::int64_t>) {
  throw InternalError("not known here");
}
std::unique_ptr<Communicator> SharedMemoryWorld::split(int) { throw InternalError("not known here"); }

}  // namespace weft
