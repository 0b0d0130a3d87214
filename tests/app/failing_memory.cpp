// Preloaded into a program: where the file WEFT_MEMORY_ENDS appears, the next memory that the main thread of
// rank WEFT_MEMORY_RANK asks `new` for is refused, once.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/syscall.h>
#include <unistd.h>

namespace {

std::atomic<bool> has_failed = false;

bool is_that_rank() {
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const char* const its_rank = std::getenv("WEFT_MEMORY_RANK");
  return rank != nullptr && its_rank != nullptr && std::strcmp(rank, its_rank) == 0;
}

bool fails() {
  const char* const file = std::getenv("WEFT_MEMORY_ENDS");
  if (has_failed || file == nullptr || syscall(SYS_gettid) != getpid() || !is_that_rank()) return false;
  return access(file, F_OK) == 0 && !has_failed.exchange(true);
}

}  // namespace

void* operator new(std::size_t size) {
  void* const memory = fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
