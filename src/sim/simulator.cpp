#include "weft/sim/simulator.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/core/philox.hpp"
#include "weft/kernels/row_kernels.hpp"
#include "weft/sim/connectivity.hpp"
#include "weft/sim/dynamics.hpp"

#include "observation_noise.hpp"

namespace weft {
namespace {

constexpr double kInitialDeviation = 5;
constexpr std::int64_t kBlockBytes = std::int64_t{32} << 20;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

constexpr std::align_val_t kCacheLine{64};

struct AlignedDelete {
  void operator()(float* values) const { ::operator delete[](values, kCacheLine); }
};
/// Left uninitialised, so that the threads that fill the rows are those that touch their pages first.
using AlignedFloats = std::unique_ptr<float[], AlignedDelete>;

AlignedFloats allocate_rows(std::int64_t rows, std::int64_t neurons) {
  const std::size_t bytes =
      static_cast<std::size_t>(rows) * static_cast<std::size_t>(neurons) * sizeof(float);
  void* const memory = ::operator new[](bytes, kCacheLine, std::nothrow);
  if (memory == nullptr)
    throw UserError({"simulation.neurons",
                     fmt::format("no memory for {} rows of {} neurons ({} bytes)", rows, neurons, bytes), "",
                     "use more ranks on more machines, or fewer neurons"});
  return AlignedFloats(static_cast<float*>(memory));
}

RowPartition partition_neurons(std::int64_t neurons, int ranks) {
  if (neurons < ranks)
    throw UserError({"simulation.neurons", fmt::format("{} neurons on {} ranks", neurons, ranks),
                     "at least one neuron for each rank", "use fewer ranks or more neurons"});
  return {neurons, ranks};
}

/// The index of the first value that is NaN or infinite; -1 where all are finite.
std::int64_t first_non_finite(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7F800000;
  const auto broken = [](float value) {
    return (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent;
  };
  bool any = false;
  for (const float value : values) any |= broken(value);
  if (!any) return -1;
  return std::find_if(values.begin(), values.end(), broken) - values.begin();
}

/// The recorded frames that await the sink: for each trajectory a run of up to `capacity` frames of the own
/// neurons.
class FrameBlock {
 public:
  FrameBlock(std::int64_t trajectories, std::int64_t capacity, std::int64_t own)
      : trajectories_(trajectories), capacity_(capacity), own_(own) {
    const auto size = static_cast<std::size_t>(trajectories * capacity * own);
    activity_.resize(size);
    derivative_.resize(size);
  }

  /// Frame `k` of the block, of every trajectory; both arrays are (trajectories x own).
  void put(std::int64_t k, std::span<const float> activity, std::span<const float> derivative) {
    for (std::int64_t s = 0; s < trajectories_; ++s) {
      const std::int64_t to = (s * capacity_ + k) * own_;
      std::copy_n(activity.data() + s * own_, own_, activity_.data() + to);
      std::copy_n(derivative.data() + s * own_, own_, derivative_.data() + to);
    }
  }

  /// Hands on the first `count` frames of each trajectory; they are frames t, t + 1, ... of `frames`.
  void emit(const FrameSink& sink, std::int64_t t, std::int64_t count, std::int64_t frames) const {
    for (std::int64_t s = 0; s < trajectories_; ++s) {
      const auto from = static_cast<std::size_t>(s * capacity_ * own_);
      const auto length = static_cast<std::size_t>(count * own_);
      sink(s * frames + t, std::span(activity_).subspan(from, length),
           std::span(derivative_).subspan(from, length));
    }
  }

 private:
  std::int64_t trajectories_, capacity_, own_;
  std::vector<float> activity_, derivative_;
};

}  // namespace

struct Simulator::Impl {
  Impl(Communicator& ranks, const SimulationConfig& simulation, std::uint64_t seed);

  std::int64_t block_frames() const;
  void start();
  void evaluate(std::int64_t step);
  void order_by_trajectory();
  void advance(std::int64_t step);
  void watch(std::int64_t step);
  void agree_all_finite();
  void burn_in();
  void record(const FrameSink& sink);
  void report();

  Communicator& shards;
  SimulationConfig config;
  RowPartition partition;
  OwnNeurons own;
  NeuronParameters parameters;
  Philox initial_draws, noise_draws, observation_draws;
  std::optional<ObservationNoise> observation;  ///< where one is asked for
  AlignedFloats weights;
  std::vector<std::int64_t> counts;  ///< elements of the gathered blocks, by rank

  // (S x own), except `gathered`: the ranks' (S x own) blocks in rank order, and `tanh_all`: (S x N).
  std::vector<float> state, tanh_own, input, derivative, noise, gathered;
  AlignedFloats tanh_all;  ///< read by registers, which cost twice as much across the border of a cache line

  /// The first own value that is not finite: (step * S + trajectory) * N + global row.
  std::int64_t first_broken = kNever;
  ProgressSink progress;
  Progress done;
};

Simulator::Impl::Impl(Communicator& ranks, const SimulationConfig& simulation, std::uint64_t seed)
    : shards(ranks),
      config(simulation),
      partition(partition_neurons(config.neurons, shards.size())),
      own{config.neurons, GlobalRow{partition.begin(shards.rank())}, partition.size(shards.rank())},
      parameters(neuron_parameters(config.types, config.neurons, own.first, own.count)),
      initial_draws(seed, RandomStream::initial_state),
      noise_draws(seed, RandomStream::process_noise),
      observation_draws(seed, RandomStream::derivative_noise) {
  for (const std::int64_t size : partition.sizes()) counts.push_back(config.trajectories * size);
  const auto mine = static_cast<std::size_t>(config.trajectories * own.count);
  for (std::vector<float>* const array : {&state, &tanh_own, &input, &derivative, &noise})
    array->resize(mine);
  gathered.resize(static_cast<std::size_t>(config.trajectories * config.neurons));
  collectively(shards, [this] {
    weights = allocate_rows(own.count, config.neurons);
    tanh_all = allocate_rows(config.trajectories, config.neurons);
  });
  const auto entries = static_cast<std::size_t>(own.count * config.neurons);
  fill_connectivity(config.connectivity, config.neurons, seed, own.first, {weights.get(), entries});
}

/// The same on every rank, because they agree on each block: by the rank that owns most neurons.
std::int64_t Simulator::Impl::block_frames() const {
  const std::int64_t frame_bytes =
      2 * static_cast<std::int64_t>(sizeof(float)) * config.trajectories * partition.size(0);
  return std::clamp<std::int64_t>(kBlockBytes / frame_bytes, 1, config.frames);
}

void Simulator::Impl::start() {
  draw_normal(initial_draws, 0, kInitialDeviation, own, state);
  if (config.derivative_snr_db) observation.emplace(*config.derivative_snr_db, observation_draws, own);
  first_broken = kNever;
  done = {"simulate", 0, config.burn_in + config.frames, "steps", ""};
}

/// The derivative at the present state. The noise of the step is drawn while the others' tanh are on their
/// way.
void Simulator::Impl::evaluate(std::int64_t step) {
  apply_tanh(state, tanh_own);
  Pending gather = shards.all_gather(std::span(tanh_own), std::span(gathered), counts);
  if (config.noise != 0) draw_normal(noise_draws, static_cast<std::uint64_t>(step), config.noise, own, noise);
  gather.wait();
  order_by_trajectory();
  row_product({weights.get(), own.count, config.neurons, config.neurons}, tanh_all.get(), config.trajectories,
              input.data());
  drift(parameters, state, tanh_own, input, derivative);
}

void Simulator::Impl::order_by_trajectory() {
  const float* from = gathered.data();
  for (int rank = 0; rank < partition.shards(); ++rank)
    for (std::int64_t s = 0; s < config.trajectories; ++s, from += partition.size(rank))
      std::copy_n(from, partition.size(rank), tanh_all.get() + s * config.neurons + partition.begin(rank));
}

void Simulator::Impl::advance(std::int64_t step) {
  euler_step(derivative, config.dt, noise, state);
  watch(step);
  report();
}

void Simulator::Impl::watch(std::int64_t step) {
  if (first_broken != kNever) return;
  const std::int64_t found = first_non_finite(state);
  if (found < 0) return;
  const std::int64_t trajectory = found / own.count;
  const std::int64_t row = index(own.first) + found % own.count;
  first_broken = (step * config.trajectories + trajectory) * config.neurons + row;
}

/// Every rank throws the same error, about the earliest value that was not finite on any of them. Such a
/// neuron never becomes finite again, so that agreeing once a block is enough.
void Simulator::Impl::agree_all_finite() {
  std::int64_t latest_negative = -first_broken;
  shards.all_reduce(std::span(&latest_negative, 1), Reduction::max).wait();
  if (latest_negative == -kNever) return;
  const std::int64_t step = -latest_negative / config.neurons / config.trajectories;
  const std::int64_t trajectory = -latest_negative / config.neurons % config.trajectories;
  const std::int64_t neuron = -latest_negative % config.neurons;
  const auto fastest = std::ranges::min_element(config.types, {}, &NeuronTypeConfig::tau);
  throw UserError({fmt::format("simulation.dt {}", config.dt),
                   fmt::format("the activity of neuron {} (trajectory {}) is not finite after step {}",
                               neuron, trajectory, step),
                   fmt::format("dt well below 2 tau = {} of the fastest type", 2 * fastest->tau),
                   "use a smaller simulation.dt"});
}

void Simulator::Impl::burn_in() {
  const std::int64_t block = block_frames();
  for (std::int64_t first = 0; first < config.burn_in; first += block) {
    const std::int64_t end = std::min(first + block, config.burn_in);
    for (std::int64_t step = first; step < end; ++step) {
      evaluate(step);
      if (observation && step >= config.burn_in / 2) observation->watch(derivative);
      advance(step);
    }
    agree_all_finite();
  }
  if (observation) observation->settle(shards, partition);
}

void Simulator::Impl::record(const FrameSink& sink) {
  FrameBlock block(config.trajectories, block_frames(), own.count);
  for (std::int64_t t = 0; t < config.frames; t += block_frames()) {
    const std::int64_t count = std::min(block_frames(), config.frames - t);
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t step = config.burn_in + t + k;
      evaluate(step);
      block.put(k, state, observation ? observation->observed(t + k, derivative) : derivative);
      advance(step);
    }
    agree_all_finite();
    collectively(shards, [&] { block.emit(sink, t, count, config.frames); });
  }
}

void Simulator::Impl::report() {
  ++done.done;
  if (progress) progress(done);
}

Simulator::Simulator(Communicator& shards, const SimulationConfig& config, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(shards, config, seed)) {}

Simulator::~Simulator() = default;

const RowPartition& Simulator::partition() const { return impl_->partition; }

std::span<const float> Simulator::connectivity() const {
  return {impl_->weights.get(), static_cast<std::size_t>(impl_->own.count * impl_->own.neurons)};
}

void Simulator::run(const FrameSink& sink, const ProgressSink& progress) {
  impl_->progress = progress;
  impl_->start();
  impl_->burn_in();
  impl_->record(sink);
}

}  // namespace weft
