#include "support/cuda_on_host/cuda_on_host.hpp"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#include "kernels/cuda/launch.hpp"

namespace weft {
namespace cuda_on_host {
namespace {

constexpr std::size_t kStack = 1 << 18;
constexpr unsigned kWarp = 32;

struct Stack {
  const void* bottom = nullptr;
  std::size_t bytes = 0;
};

// The address sanitizer has to be told on which stack the program is. `own` is what it keeps of the one left.
#ifdef __SANITIZE_ADDRESS__
void leave_for(const Stack& next, void** own) {
  __sanitizer_start_switch_fiber(own, next.bottom, next.bytes);
}
Stack arrive(void* own) {
  Stack left;
  __sanitizer_finish_switch_fiber(own, &left.bottom, &left.bytes);
  return left;
}
#else
void leave_for(const Stack&, void**) {}
Stack arrive(void*) { return {}; }
#endif

/// Lives as long as the program, and runs one thread after the other. Switches go by jumps: those of ucontext
/// ask the kernel for the signals each time, which would take most of a test's time.
struct Fiber {
  std::jmp_buf place;
  std::unique_ptr<char[]> stack{new char[kStack]};
  void* own = nullptr;
  bool begun = false;
  bool done = false;
};

/// Threads that wait for each other, over and over.
struct Barrier {
  unsigned arrived = 0;
  std::uint64_t round = 0;
};

struct Warp {
  std::array<std::array<char, 16>, kWarp> slot;
  Barrier barrier;
};

class Block {
 public:
  void run(unsigned threads, const std::function<void()>& body) {
    body_ = &body;
    threads_ = live_ = threads;
    all_ = {};
    warps_.assign((threads + kWarp - 1) / kWarp, {});
    while (fibers_.size() < threads) fibers_.emplace_back();
    for (unsigned thread = 0; thread < threads; ++thread) fibers_[thread].done = false;
    while (live_ > 0) {
      for (unsigned thread = 0; thread < threads; ++thread) {
        if (fibers_[thread].done) continue;
        resume(thread);
        enter_fiber();
      }
    }
  }

  /// As on a GPU, threads that have ended count as arrived.
  void wait_for_all() {
    wait(all_, [this] { return live_; });
  }

  void exchange(const void* value, void* result, unsigned bytes, unsigned lane) {
    Warp& warp = warps_[now_ / kWarp];
    const unsigned size = std::min(kWarp, threads_ - now_ / kWarp * kWarp);
    const auto all = [size] { return size; };
    std::memcpy(warp.slot[now_ % kWarp].data(), value, bytes);
    wait(warp.barrier, all);
    std::memcpy(result, warp.slot[lane < size ? lane : now_ % kWarp].data(), bytes);
    wait(warp.barrier, all);
  }

  unsigned lane() const { return now_ % kWarp; }

 private:
  static void run_threads();

  /// From the block's loop to the thread that is on; comes back when that one waits or ends.
  void enter_fiber() {
    if (_setjmp(main_) == 0) go_on_in(fibers_[now_]);
    arrive(own_);
  }
  [[noreturn]] void go_on_in(Fiber& fiber) {
    leave_for({fiber.stack.get(), kStack}, &own_);
    if (fiber.begun) _longjmp(fiber.place, 1);
    fiber.begun = true;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack.get();
    context.uc_stack.ss_size = kStack;
    context.uc_link = nullptr;
    makecontext(&context, &Block::run_threads, 0);
    setcontext(&context);
    std::abort();  // it comes back only where the context is none
  }
  /// From the thread that is on back to the loop.
  void leave_fiber() {
    if (_setjmp(fibers_[now_].place) == 0) go_on_in_main();
    main_stack_ = arrive(fibers_[now_].own);
  }
  [[noreturn]] void go_on_in_main() {
    leave_for(main_stack_, &fibers_[now_].own);
    _longjmp(main_, 1);
  }
  void resume(unsigned thread) {
    now_ = thread;
    threadIdx = dim3(thread % blockDim.x, thread / blockDim.x, 0);
  }
  void yield() {
    const volatile unsigned me = now_;  // volatile: a jump may forget what is in registers
    leave_fiber();
    resume(me);
  }
  template <typename Count>
  void wait(Barrier& barrier, Count count) {
    const std::uint64_t mine = barrier.round;
    ++barrier.arrived;
    while (barrier.round == mine) {
      if (barrier.arrived >= count()) {
        barrier.arrived = 0;
        ++barrier.round;
        return;
      }
      yield();
    }
  }

  std::deque<Fiber> fibers_;  // which stay where they are
  std::vector<Warp> warps_;
  Barrier all_;
  std::jmp_buf main_;
  Stack main_stack_;
  void* own_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  unsigned threads_ = 0, live_ = 0, now_ = 0;
};

Block& the_block() {
  static Block block;
  return block;
}

void Block::run_threads() {
  Block& block = the_block();
  block.main_stack_ = arrive(nullptr);
  while (true) {
    (*block.body_)();
    block.fibers_[block.now_].done = true;
    --block.live_;
    block.leave_fiber();
  }
}

}  // namespace

void run_block(unsigned threads, const std::function<void()>& body) { the_block().run(threads, body); }
void wait_for_block() { the_block().wait_for_all(); }
void exchange(const void* value, void* result, unsigned bytes, unsigned lane) {
  the_block().exchange(value, result, bytes, lane);
}
unsigned lane_of_this_thread() { return the_block().lane(); }

}  // namespace cuda_on_host

void* cuda::allocate_scratch(std::size_t bytes, cudaStream_t) { return std::malloc(bytes); }
void cuda::free_scratch(void* memory, cudaStream_t) { std::free(memory); }

}  // namespace weft
