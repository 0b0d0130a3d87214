#include "sim/simulation_engine.hpp"

#include <utility>

namespace weft {
namespace {

/// W is read faster where its stride is a multiple of so many numbers.
constexpr std::int64_t kAlignment = 4;

DeviceArray<float> load_rows(Device& device, const float* rows, std::int64_t count, std::int64_t columns,
                             std::int64_t stride) {
  DeviceArray<float> loaded(device, count * stride);
  const std::int64_t at_once = stride == columns ? count : 1;
  for (std::int64_t row = 0; row < count; row += at_once)
    loaded.put(row * stride, {rows + row * columns, static_cast<std::size_t>(at_once * columns)});
  return loaded;
}

std::vector<std::int64_t> begins_of(const RowPartition& partition) {
  std::vector<std::int64_t> begins;
  for (int rank = 0; rank <= partition.shards(); ++rank) begins.push_back(partition.begin(rank));
  return begins;
}

}  // namespace

SimulationEngine::SimulationEngine(Device& device, Communicator& shards, const SimulationConfig& config,
                                   const RowPartition& partition, const Philox& noise, const float* rows,
                                   std::int64_t capacity)
    : device_(device),
      shards_(shards),
      trajectories_(config.trajectories),
      neurons_(config.neurons),
      own_(partition.size(shards.rank())),
      capacity_(capacity),
      gain_(device, own_),
      self_coupling_(device, own_),
      decay_(device, own_),
      begins_(device, begins_of(partition)),
      counter_(device, 1),
      x_(device, trajectories_ * own_),
      tanh_{DeviceArray<float>(device, trajectories_ * neurons_),
            DeviceArray<float>(device, trajectories_ * neurons_)},
      own_block_(trajectories_ * partition.begin(shards.rank())),
      activity_(device, trajectories_ * capacity * own_),
      derivative_(device, trajectories_ * capacity * own_),
      step_{.w = {rows, own_, neurons_, neurons_},
            .first_row = partition.begin(shards.rank()),
            .trajectories = trajectories_,
            .gain = gain_.data(),
            .self_coupling = self_coupling_.data(),
            .decay = decay_.data(),
            .x = x_.data(),
            .tanh_stride = own_,
            .dt = config.dt,
            .deviation = config.noise,
            .random = noise,
            .counter = counter_.data(),
            .frames = {activity_.data(), derivative_.data(), capacity}} {
  for (const std::int64_t size : partition.sizes()) counts_.push_back(trajectories_ * size);
  const NeuronParameters parameters =
      neuron_parameters(config.types, neurons_, GlobalRow{step_.first_row}, own_);
  gain_.put(0, parameters.gain);
  self_coupling_.put(0, parameters.self_coupling);
  decay_.put(0, parameters.decay);
  if (device.is_host()) return;
  step_.w.stride = (neurons_ + kAlignment - 1) / kAlignment * kAlignment;
  weights_.emplace(load_rows(device, rows, own_, neurons_, step_.w.stride));
  step_.w.data = weights_->data();
}

// As if a step had led there.
void SimulationEngine::set_state(std::span<const float> x, std::span<const float> tanh_x) {
  now_ = alone() ? 1 : 0;
  x_.put(0, x);
  tanh_[1 - now_].put(own_block_, tanh_x);
}

void SimulationEngine::exchange() {
  if (alone()) {
    now_ = 1 - now_;
    return;
  }
  DeviceArray<float>&all = tanh_[0], &gathered = tanh_[1];
  shards_.all_gather(gathered.buffer(own_block_, x_.count()), gathered.buffer(0, gathered.count()), counts_)
      .wait();
  device_.kernels().order_by_trajectory(gathered.data(), begins_.data(), shards_.size(), trajectories_,
                                        neurons_, all.data());
}

void SimulationEngine::begin_block(std::int64_t step) {
  device_.kernels().set_counter(counter_.data(), {static_cast<std::uint64_t>(step), 0});
}

std::int64_t SimulationEngine::advance(std::int64_t most) {
  if (most < 2 || now_ != 0) {
    step();
    return 1;
  }
  if (pair_) {
    pair_->replay();
    if (!std::exchange(counted_ahead_, false)) note_traffic(traffic_of_pair_);
    return 2;
  }
  const auto two_steps = [this] {
    step();
    step();
  };
  two_steps();  // outside the recording, for kernels and collectives are set up at their first call
  const Traffic before = traffic();
  pair_ = device_.record(two_steps);
  traffic_of_pair_ = traffic() - before;
  counted_ahead_ = true;
  return 2;
}

void SimulationEngine::step() {
  step_.tanh_all = tanh_[now_].data();
  step_.tanh_next = tanh_[1 - now_].data() + own_block_;
  device_.kernels().simulation_step(step_);
  device_.kernels().advance_counter(counter_.data());
  exchange();
}

std::span<const float> SimulationEngine::fetch_state() {
  return {x_.fetch(0, x_.count()), static_cast<std::size_t>(x_.count())};
}

std::span<const float> SimulationEngine::fetch_tanh() {
  // What the ranks gathered last holds the own block as the step left it.
  DeviceArray<float>& latest = alone() ? tanh_[now_] : tanh_[1];
  return {latest.fetch(own_block_, x_.count()), static_cast<std::size_t>(x_.count())};
}

HostFrames SimulationEngine::fetch_frames(std::int64_t count) {
  HostFrames block{.capacity = capacity_, .own = own_};
  if (count == capacity_) {  // all trajectories lie side by side
    block.activity = activity_.fetch(0, activity_.count());
    block.derivative = derivative_.fetch(0, derivative_.count());
    return block;
  }
  for (std::int64_t s = 0; s < trajectories_; ++s) {
    const std::int64_t first = s * capacity_ * own_;
    block.activity = activity_.fetch(first, count * own_) - first;
    block.derivative = derivative_.fetch(first, count * own_) - first;
  }
  return block;
}

}  // namespace weft
