#include "weft/sim/simulator.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/core/phase.hpp"
#include "weft/core/philox.hpp"
#include "weft/core/section.hpp"
#include "weft/sim/connectivity.hpp"
#include "weft/sim/normal_draws.hpp"

#include "sim/observation_noise.hpp"
#include "sim/simulation_engine.hpp"

namespace weft {
namespace {

constexpr double kInitialDeviation = 5;
/// Steps that a GPU may have before it: a full queue would be waited for where no failure of another rank
/// ends the wait.
constexpr std::int64_t kStepsUnderWay = 256;
/// Products of a weight and an activity that a host takes about a tenth of a second for: so long may pass
/// until the ranks ask each other whether to go on. But that many steps make the question cheap.
constexpr std::int64_t kProductsPerPoll = std::int64_t{1} << 28;
constexpr std::int64_t kMostStepsPerPoll = 256;
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

/// The (columns x rows) of (rows x columns) values.
std::vector<float> transposed(std::span<const float> values, std::int64_t columns) {
  const auto width = static_cast<std::size_t>(columns), height = values.size() / width;
  std::vector<float> result(values.size());
  for (std::size_t row = 0; row < height; ++row)
    for (std::size_t column = 0; column < width; ++column)
      result[column * height + row] = values[row * width + column];
  return result;
}

}  // namespace

struct Simulator::Impl {
  Impl(Device& device, Communicator& ranks, const SimulationConfig& simulation, std::uint64_t seed,
       std::int64_t block_bytes);

  std::int64_t entries() const { return own.count * own.neurons; }
  std::int64_t capacity_of(std::int64_t block_bytes) const;
  std::int64_t steps_between_polls() const;
  std::int64_t total() const { return config.burn_in + config.frames; }
  SimulationState initial_state() const;
  SimulationState present_state();
  void start();
  std::int64_t take_block(std::int64_t end);
  void advance(std::int64_t last);
  void settle();
  void poll();
  void obey(const SaveSimulation& save);
  std::int64_t first_broken(std::int64_t step, std::int64_t count);
  void agree_all_finite(std::int64_t step, std::int64_t count);
  void burn_in(const SaveSimulation& save);
  void watch(std::int64_t step, std::int64_t count);
  void record(const FrameSink& sink, const SaveSimulation& save);
  void emit(const FrameSink& sink, std::int64_t t, std::int64_t count);

  Communicator& shards;
  std::string_view phase;  ///< of the steps
  SimulationConfig config;
  RowPartition partition;
  OwnNeurons own;
  Philox initial_draws, observation_draws;
  std::int64_t capacity;                        ///< frames of a block
  std::optional<ObservationNoise> observation;  ///< where one is asked for
  AlignedFloats weights;
  std::optional<SimulationEngine> engine;  ///< on the host it uses `weights` too
  std::optional<SimulationState> resumed;  ///< where to begin, if not at the initial state

  RunControl* control = nullptr;
  std::int64_t steps = 0;   ///< taken
  std::int64_t polled = 0;  ///< how many were when `control` was asked last
  Wish wish = Wish::go_on;  ///< what it answered
};

Simulator::Impl::Impl(Device& device, Communicator& ranks, const SimulationConfig& simulation,
                      std::uint64_t seed, std::int64_t block_bytes)
    : shards(ranks),
      phase(device.is_host() ? kPhaseForward : kPhaseDevice),
      config(simulation),
      partition(partition_neurons(config.neurons, shards.size())),
      own{config.neurons, GlobalRow{partition.begin(shards.rank())}, partition.size(shards.rank())},
      initial_draws(seed, RandomStream::initial_state),
      observation_draws(seed, RandomStream::derivative_noise),
      capacity(capacity_of(block_bytes)) {
  collectively(shards, [&] {
    weights = allocate_rows(own.count, config.neurons);
    fill_connectivity(config.connectivity, config.neurons, seed, own.first,
                      {weights.get(), static_cast<std::size_t>(entries())});
    engine.emplace(device, shards, config, partition, Philox(seed, RandomStream::process_noise),
                   weights.get(), capacity);
  });
}

/// The same on every rank, because they agree on each block: by the rank that owns most neurons.
std::int64_t Simulator::Impl::capacity_of(std::int64_t block_bytes) const {
  const std::int64_t frame_bytes =
      2 * static_cast<std::int64_t>(sizeof(float)) * config.trajectories * partition.size(0);
  return std::clamp<std::int64_t>(block_bytes / frame_bytes, 1, std::max(config.burn_in, config.frames));
}

std::int64_t Simulator::Impl::steps_between_polls() const {
  const std::int64_t products = config.neurons * partition.size(0) * config.trajectories;
  return std::clamp<std::int64_t>(kProductsPerPoll / products, 1, kMostStepsPerPoll);
}

SimulationState Simulator::Impl::initial_state() const {
  std::vector<float> x(static_cast<std::size_t>(config.trajectories * own.count));
  draw_normal(initial_draws, 0, kInitialDeviation, own, x);
  SimulationState state;
  state.x = transposed(x, own.count);
  for (const float value : state.x) state.tanh_x.push_back(std::tanh(value));
  if (config.derivative_snr_db) {
    state.sums.resize(static_cast<std::size_t>(own.count));
    state.squares = state.sums;
  }
  return state;
}

SimulationState Simulator::Impl::present_state() {
  SimulationState state;
  state.steps = steps;
  state.x = transposed(engine->fetch_state(), own.count);
  state.tanh_x = transposed(engine->fetch_tanh(), own.count);
  if (observation) {
    state.sums = observation->sums();
    state.squares = observation->squares();
  }
  return state;
}

void Simulator::Impl::start() {
  collectively(shards, [this] {
    const SimulationState from = resumed ? *resumed : initial_state();
    steps = polled = from.steps;
    engine->set_state(transposed(from.x, config.trajectories), transposed(from.tanh_x, config.trajectories));
    if (!config.derivative_snr_db) return;
    const std::int64_t first_watched = config.burn_in / 2;
    observation.emplace(*config.derivative_snr_db, observation_draws, own, config.trajectories);
    observation->resume(std::clamp(steps, first_watched, config.burn_in) - first_watched, from.sums,
                        from.squares);
  });
  engine->exchange();
}

/// A block of the next steps, which ends at step `end` at the latest, or where anything is wished. Returns
/// how many they were.
std::int64_t Simulator::Impl::take_block(std::int64_t end) {
  const std::int64_t first = steps, last = std::min(first + capacity, end);
  engine->begin_block(first);
  for (wish = Wish::go_on; steps < last && wish == Wish::go_on;) {
    const std::int64_t before = steps - first;
    advance(last);
    if ((steps - first) / kStepsUnderWay != before / kStepsUnderWay) settle();
    control->progress({"simulate", steps, total(), "steps", ""});
    if (steps == last || steps - polled >= steps_between_polls()) poll();
  }
  agree_all_finite(first, steps - first);
  return steps - first;
}

void Simulator::Impl::advance(std::int64_t last) {
  const InPhase stepping(phase);
  const std::int64_t taken = engine->advance(last - steps);
  const double uses = static_cast<double>(taken) * static_cast<double>(entries());
  note_work({2.0 * uses * static_cast<double>(config.trajectories), uses * sizeof(float)});
  steps += taken;
}

void Simulator::Impl::settle() {
  const InPhase waiting(phase);
  engine->settle();
}

void Simulator::Impl::poll() {
  polled = steps;
  note_step(steps);
  if (steps < total()) wish = ask(*control, shards);
}

/// After the frames of a block are out.
void Simulator::Impl::obey(const SaveSimulation& save) {
  if (wish == Wish::go_on) return;
  SimulationState state;
  collectively(shards, [&] { state = present_state(); });
  if (save) save(state);
  if (wish == Wish::stop) throw Stopped(fmt::format("simulate, after step {}", steps));
}

/// Which own value of a block was not finite first: (step * S + trajectory) * N + global row, with the step
/// that led to it. Such a neuron never becomes finite again, so that the last state tells whether to search.
std::int64_t Simulator::Impl::first_broken(std::int64_t step, std::int64_t count) {
  const std::int64_t in_last = first_non_finite(engine->fetch_state());
  if (in_last < 0) return kNever;
  const auto key = [&](std::int64_t at, std::int64_t trajectory, std::int64_t row) {
    return (at * config.trajectories + trajectory) * config.neurons + index(own.first) + row;
  };
  const HostFrames block = engine->fetch_frames(count);
  for (std::int64_t k = 1; k < count; ++k)
    for (std::int64_t s = 0; s < config.trajectories; ++s) {
      const std::int64_t found = first_non_finite(block.frames(block.activity, s, k));
      if (found >= 0) return key(step + k - 1, s, found);
    }
  return key(step + count - 1, in_last / own.count, in_last % own.count);
}

/// Every rank throws the same error, about the earliest value that was not finite on any of them.
void Simulator::Impl::agree_all_finite(std::int64_t first_step, std::int64_t count) {
  std::int64_t latest_negative = -kNever;
  collectively(shards, [&] {
    const InPhase waiting(phase);
    latest_negative = -first_broken(first_step, count);
  });
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

void Simulator::Impl::burn_in(const SaveSimulation& save) {
  while (steps < config.burn_in) {
    const std::int64_t count = take_block(config.burn_in);
    if (observation && steps > config.burn_in / 2) watch(steps - count, count);
    obey(save);
  }
  if (observation) observation->settle(shards, partition);
}

/// Sizes the observation noise by what of a block lies in the second half of the burn-in.
void Simulator::Impl::watch(std::int64_t step, std::int64_t count) {
  collectively(shards, [&] {
    const HostFrames block = engine->fetch_frames(count);
    for (std::int64_t k = std::max<std::int64_t>(0, config.burn_in / 2 - step); k < count; ++k)
      observation->watch(block, k);
  });
}

void Simulator::Impl::record(const FrameSink& sink, const SaveSimulation& save) {
  while (steps < total()) {
    const std::int64_t count = take_block(total());
    collectively(shards, [&] { emit(sink, steps - count - config.burn_in, count); });
    obey(save);
  }
}

/// Hands on the block: frames t, t + 1, ... of each trajectory.
void Simulator::Impl::emit(const FrameSink& sink, std::int64_t t, std::int64_t count) {
  HostFrames block = engine->fetch_frames(count);
  for (std::int64_t k = 0; observation && k < count; ++k) observation->add(t + k, block, k);
  for (std::int64_t s = 0; s < config.trajectories; ++s)
    sink(s * config.frames + t, block.frames(block.activity, s, 0, count),
         block.frames(block.derivative, s, 0, count));
}

Simulator::Simulator(Device& device, Communicator& shards, const SimulationConfig& config, std::uint64_t seed,
                     std::int64_t block_bytes)
    : impl_(std::make_unique<Impl>(device, shards, config, seed, block_bytes)) {}

Simulator::~Simulator() = default;

const RowPartition& Simulator::partition() const { return impl_->partition; }

std::span<const float> Simulator::connectivity() const {
  return {impl_->weights.get(), static_cast<std::size_t>(impl_->entries())};
}

void Simulator::resume(SimulationState state) {
  const auto own = static_cast<std::size_t>(impl_->own.count);
  const std::size_t values = own * static_cast<std::size_t>(impl_->config.trajectories);
  const std::size_t watched = impl_->config.derivative_snr_db ? own : 0;
  require(state.x.size() == values && state.tanh_x.size() == values && state.sums.size() == watched &&
              state.squares.size() == watched && state.steps >= 0 && state.steps <= impl_->total(),
          "a state of the simulation that is to go on");
  impl_->resumed = std::move(state);
}

void Simulator::run(const FrameSink& sink, RunControl& control, const SaveSimulation& save) {
  impl_->control = &control;
  impl_->start();
  impl_->burn_in(save);
  impl_->record(sink, save);
}

}  // namespace weft
