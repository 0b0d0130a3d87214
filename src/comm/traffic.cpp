#include "weft/comm/traffic.hpp"

#include <atomic>
#include <utility>

#include "buffers.hpp"

namespace weft {
namespace {

struct Counters {
  std::array<std::atomic<std::int64_t>, kCollectives> calls{};
  std::array<std::atomic<std::int64_t>, kCollectives> bytes{};
};

Counters counters;

void add(std::size_t collective, std::int64_t calls, std::int64_t bytes) {
  counters.calls[collective].fetch_add(calls, std::memory_order_relaxed);
  counters.bytes[collective].fetch_add(bytes, std::memory_order_relaxed);
}

class CountedCommunicator final : public Communicator {
 public:
  explicit CountedCommunicator(std::unique_ptr<Communicator> group) : group_(std::move(group)) {}

  int rank() const override { return group_->rank(); }
  int size() const override { return group_->size(); }

  Pending all_reduce(Buffer values, Reduction reduction) override {
    count(Collective::all_reduce, values);
    return group_->all_reduce(values, reduction);
  }
  Pending all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) override {
    count(Collective::all_gather, gathered);
    return group_->all_gather(own, gathered, counts);
  }
  Pending reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) override {
    count(Collective::reduce_scatter, blocks);
    return group_->reduce_scatter(blocks, own, counts);
  }
  Pending broadcast(Buffer values, int root) override {
    count(Collective::broadcast, values);
    return group_->broadcast(values, root);
  }
  void barrier() override { group_->barrier(); }
  std::unique_ptr<Communicator> split(int color) override { return counted(group_->split(color)); }

 private:
  void count(Collective collective, const Buffer& buffer) const {
    if (group_->size() == 1) return;
    add(static_cast<std::size_t>(collective), 1,
        static_cast<std::int64_t>(buffer.count * size_of(buffer.type)));
  }

  std::unique_ptr<Communicator> group_;
};

}  // namespace

std::string_view collective_name(Collective collective) {
  static constexpr std::array<std::string_view, kCollectives> names{"all_reduce", "all_gather",
                                                                    "reduce_scatter", "broadcast"};
  return names[static_cast<std::size_t>(collective)];
}

Traffic Traffic::operator-(const Traffic& earlier) const {
  Traffic difference;
  for (std::size_t k = 0; k < kCollectives; ++k) {
    difference.calls[k] = calls[k] - earlier.calls[k];
    difference.bytes[k] = bytes[k] - earlier.bytes[k];
  }
  return difference;
}

Traffic traffic() {
  Traffic now;
  for (std::size_t k = 0; k < kCollectives; ++k) {
    now.calls[k] = counters.calls[k].load(std::memory_order_relaxed);
    now.bytes[k] = counters.bytes[k].load(std::memory_order_relaxed);
  }
  return now;
}

std::unique_ptr<Communicator> counted(std::unique_ptr<Communicator> group) {
  return std::make_unique<CountedCommunicator>(std::move(group));
}

void note_traffic(const Traffic& again) {
  for (std::size_t k = 0; k < kCollectives; ++k) add(k, again.calls[k], again.bytes[k]);
}

}  // namespace weft
