#include "weft/train/adam_trainer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include <ATen/ops/aminmax.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "weft/comm/sums.hpp"
#include "weft/comm/traffic.hpp"
#include "weft/core/error.hpp"
#include "weft/core/phase.hpp"
#include "weft/core/section.hpp"
#include "weft/model/load_tensor.hpp"
#include "weft/model/tensor_kernels.hpp"
#include "weft/model/tensor_view.hpp"
#include "weft/train/memory_needs.hpp"

#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

// Points of the loss curve that a training records.
constexpr std::int64_t kRecords = 1000;

// What the state holds beside the model, Adam's moments and the history; docs/file-formats.md.
constexpr const char* kCounters = "training/counters";
constexpr const char* kOpenLosses = "training/open_losses";

/// Steps whose losses the host looks at together; on the host each by itself.
std::int64_t window_of(const Device& device) { return device.is_host() ? 1 : kDeviceWindow; }

TrainingSchedule schedule_of(const TrainingConfig& config, std::int64_t usable, const ProcessGrid& grid,
                             std::uint64_t seed, const Device& device) {
  const std::int64_t replicas = grid.replicas().size();
  if (config.batch_size % replicas != 0) {
    throw UserError({"training.batch_size", std::to_string(config.batch_size),
                     fmt::format("a multiple of training.replicas = {}", replicas), "change one of the two"});
  }
  TrainingSchedule schedule{Philox(seed, RandomStream::training_frames)};
  schedule.usable = usable;
  schedule.entries = config.batch_size / replicas;
  schedule.first_entry = grid.replica() * schedule.entries;
  schedule.steps = config.steps;
  schedule.final_rate = config.final_rate;
  schedule.window = window_of(device);
  return schedule;
}

/// The losses come out of an all-reduce, so that every rank throws at the same step.
void require_finite(const Losses& losses, std::int64_t step) {
  const auto refuse = [&](const char* term, double value) {
    if (std::isfinite(value)) return;
    throw DivergedError({fmt::format("training, step {}", step),
                         fmt::format("the loss became {} ({})", value, term), "a finite loss",
                         "lower training.learning_rate.*"});
  };
  refuse("the residual", losses.data);
  refuse("training.loss.phi_zero", losses.phi_zero);
  refuse("training.loss.psi_monotone", losses.psi_monotone);
}

/// One pass, without a second tensor of that size.
bool is_finite(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return true;
  const auto [least, most] = at::aminmax(tensor);
  return std::isfinite(least.item<double>()) && std::isfinite(most.item<double>());
}

/// The numbers of `name`, if they are so many.
template <typename T>
std::vector<T> expect_count(const Checkpoint& state, const char* name, std::vector<T> numbers,
                            std::size_t count) {
  if (numbers.size() == count) return numbers;
  throw UserError({state.folder().string(), fmt::format("{} holds {} numbers", name, numbers.size()),
                   std::to_string(count), "resume from another checkpoint"});
}

std::vector<double> read_numbers(const Checkpoint& state, const char* name, std::size_t count) {
  return expect_count(state, name, state.read_common(name), count);
}

LossHistory read_history(const Checkpoint& state) {
  LossHistory history;
  history.step = state.read_common_int64("history/step");
  const auto read = [&](const char* name) { return read_numbers(state, name, history.step.size()); };
  history.total = read("history/loss_total");
  history.data = read("history/loss_data");
  history.phi_zero = read("history/loss_phi_zero");
  history.psi_monotone = read("history/loss_psi_monotone");
  return history;
}

}  // namespace

AdamTrainer::AdamTrainer(Device& device, const ProcessGrid& grid, TrainingData data, SignalGnn model,
                         const TrainingConfig& config, std::uint64_t seed)
    : device_(device),
      grid_(grid),
      partition_(data.partition),
      usable_(data.frames.with_derivative),
      model_(model.to(torch_device(device))),
      config_(config),
      schedule_(schedule_of(config, std::ssize(usable_), grid, seed, device)),
      // The published delta of the monotone term is a 150th of xnorm.
      loss_gradient_(grid, config.loss, data.activity_scale / 150),
      connectivity_(model_.connectivity, model_.first_row(), {config.loss.l1, config.loss.l2}),
      psi_(model_.psi.parameters()),
      phi_(model_.phi.parameters()),
      embedding_(model_.embedding) {
  const at::TensorOptions whole = model_.connectivity.options().dtype(at::kLong);
  const at::TensorOptions exact = model_.connectivity.options().dtype(at::kDouble);
  static_assert(sizeof(TrainingCounters) == 3 * sizeof(std::int64_t));
  static_assert(sizeof(AdamFactors) == 2 * sizeof(double));
  counters_ = at::zeros({3}, whole);
  frames_ = at::zeros({schedule_.entries}, whole);
  factors_ = at::zeros({kTrainedParts, 2}, exact);
  sums_ = at::zeros({schedule_.window, kStepSums}, exact);
  votes_ = at::zeros({Votes::kCount}, model_.connectivity.options());
  set_rates();
  // W, m and v are there by now; of the rest the step takes its part first.
  const std::int64_t room = usable_bytes(device.description().free_bytes) -
                            gradient_work_bytes(config, partition_.rows(), model_.rows());
  batches_ = std::make_unique<BatchSource>(device, data, schedule_.entries, schedule_.window, room);
  if (batches_->is_resident())
    choices_ = index_of(usable_).to(whole.device(), at::kLong, false, /*copy=*/true);
}

void AdamTrainer::train(RunControl& control, const SaveState& save) {
  const c10::InferenceMode guard;
  if (config_.divergence == DivergencePolicy::rewind && !has_state_) save_state(save);
  stage(steps_done_, steps_to_look(steps_done_));
  while (steps_done_ < config_.steps) {
    const std::int64_t count = steps_to_look(steps_done_);
    votes_.copy_(tensor_of(control.votes().numbers()));
    run_steps(count);
    stage(steps_done_, steps_to_look(steps_done_));  // while the device works
    const at::Tensor sums = look(count);
    const std::size_t recorded = history_.step.size();
    record(sums, count);
    note_step(steps_done_);
    if (history_.step.size() > recorded) tell_losses(control);
    tell(control);
    // A training that is complete is not stopped any more.
    if (steps_done_ < config_.steps) obey(control.decide(votes_in(sums)), save);
  }
  finish();
  require_finite_state();
}

void AdamTrainer::tell(RunControl& control) const {
  const double total = history_.total.empty() ? 0 : history_.total.back();
  control.progress(
      {"train", steps_done_, config_.steps, "steps", fmt::format("loss per neuron {:.4g}", total)});
}

/// The newest of the history. @collective over the grid
void AdamTrainer::tell_losses(RunControl& control) const {
  const std::array<Measure, 5> found{{{"loss", "total", history_.total.back()},
                                      {"loss", "data", history_.data.back()},
                                      {"loss", "phi_zero", history_.phi_zero.back()},
                                      {"loss", "psi_monotone", history_.psi_monotone.back()},
                                      {"gradient_norm", "", gradient_norm(grid_, model_, gradient_)}}};
  control.measured(found);
}

/// Takes in the losses of the last so many steps.
void AdamTrainer::record(const at::Tensor& sums, std::int64_t count) {
  const std::int64_t record_every = std::max<std::int64_t>(1, config_.steps / kRecords);
  std::int64_t step = steps_done_ - count;
  for (const Losses& losses : losses_in(sums)) {
    ++step;
    require_finite(losses, step);
    open_.add(losses);
    if (step % record_every == 0 || step == config_.steps) open_.record(step, partition_.rows(), history_);
  }
}

void AdamTrainer::obey(Wish wish, const SaveState& save) {
  if (wish == Wish::go_on) return;
  save_state(save);
  if (wish == Wish::stop) throw Stopped(fmt::format("train, after step {}", steps_done_));
}

/// The step of W that waits is applied first. The next product with W then finds none, and sums in the same
/// order as one that applies it on the way: a save changes no bit of the training.
void AdamTrainer::save_state(const SaveState& save) {
  finish();
  require_finite_state();
  const std::vector<std::int64_t> counters{steps_done_, counters_[1].item<std::int64_t>(), rewinds_,
                                           open_.steps};
  const std::vector<double> open_losses{open_.sum.data, open_.sum.phi_zero, open_.sum.psi_monotone};
  ModelArrays state = arrays();
  state.common.push_back(view_of(kCounters, counters));
  state.common.push_back(view_of(kOpenLosses, open_losses));
  has_state_ = true;
  save(steps_done_, state);
  at_host_.clear();
}

/// A last step leaves its mark on W after its loss was seen, and what is saved must be of use.
/// @collective over the grid
void AdamTrainer::require_finite_state() {
  std::vector<Part> parts = row_parts();
  std::ranges::move(common_parts(), std::back_inserter(parts));
  const bool fine = std::ranges::all_of(parts, [](const Part& part) { return is_finite(part.tensor); });
  if (sum_over(grid_.world(), fine ? 0.0 : 1.0) == 0) return;
  throw DivergedError({fmt::format("training, step {}", steps_done_),
                       "a weight or a moment of Adam became NaN or infinite", "finite numbers",
                       "lower training.learning_rate.*"});
}

void AdamTrainer::resume(const Checkpoint& state) {
  const c10::InferenceMode guard;
  const InSection section(Section::read);
  finish();  // a step that waits belongs to what is given up
  collectively(grid_.world(), [&] { load_state(state); });
  set_rates();
  has_state_ = true;
}

/// This rank's part, into the tensors that there are, which a recorded step knows.
void AdamTrainer::load_state(const Checkpoint& state) {
  state.require_neurons(partition_.rows());
  if (state.info().method != "adam" || !state.has(kCounters)) {
    throw UserError({state.folder().string(),
                     fmt::format("a finished model of the method {}", state.info().method),
                     "a gradient training under way", "name it as training.initial_model of another run"});
  }
  const std::vector<std::int64_t> counters =
      expect_count(state, kCounters, state.read_common_int64(kCounters), 4);
  if (counters[0] < 0 || counters[0] > config_.steps) {
    throw UserError({state.folder().string(), fmt::format("{} steps are done", counters[0]),
                     fmt::format("at most training.steps = {}", config_.steps),
                     "resume from another checkpoint"});
  }
  const std::vector<double> open_losses = read_numbers(state, kOpenLosses, 3);
  history_ = read_history(state);
  for (const Part& part : common_parts()) load_common(state, part.name, part.tensor);
  for (const Part& part : row_parts())
    load_rows(state, part.name, GlobalRow{model_.first_row()}, part.tensor);
  steps_done_ = counters[0];
  counters_.copy_(index_of(std::vector<std::int64_t>{counters[0], counters[1], 0}));
  rewinds_ = std::max(rewinds_, counters[2]);
  open_ = {{open_losses[0], open_losses[1], open_losses[2]}, counters[3]};
}

bool AdamTrainer::rewind(const Checkpoint& state) {
  if (config_.divergence == DivergencePolicy::stop || rewinds_ >= config_.most_rewinds) return false;
  ++rewinds_;
  resume(state);
  has_state_ = false;  // of these smaller steps: it is saved first, so that they outlive this job
  return true;
}

/// The recorded step holds the rates that it was recorded with.
void AdamTrainer::set_rates() {
  const double left = std::ldexp(1.0, -static_cast<int>(rewinds_));
  schedule_.learning_rate[kConnectivity] = left * config_.learning_rate.connectivity;
  schedule_.learning_rate[kEmbedding] = left * config_.learning_rate.embedding;
  schedule_.learning_rate[kPhi] = left * config_.learning_rate.phi;
  schedule_.learning_rate[kPsi] = left * config_.learning_rate.psi;
  recorded_.reset();
}

/// How many steps are taken until the host looks again: to the end of the window, the epoch or the training.
std::int64_t AdamTrainer::steps_to_look(std::int64_t from) const {
  std::int64_t count = std::min(schedule_.window - from % schedule_.window, config_.steps - from);
  if (config_.epoch_steps > 0) count = std::min(count, config_.epoch_steps - from % config_.epoch_steps);
  return count;
}

/// Starts so many steps. The first, and those after a flush, are taken as they are: they have no step of W to
/// make up for, which the recorded one has. So is one more, for kernels and libraries are set up at their
/// first call, which must not be in a recording.
void AdamTrainer::run_steps(std::int64_t count) {
  for (std::int64_t k = 0; k < count; ++k) {
    if (config_.epoch_steps > 0 && steps_done_ > 0 && steps_done_ % config_.epoch_steps == 0) begin_epoch();
    const auto whole_step = [this] {
      begin_step(/*draws=*/true);
      take_step();
    };
    if (connectivity_.waits() && warm_) {
      replay(whole_step);
    } else {
      warm_ = connectivity_.waits();
      whole_step();
    }
    ++steps_done_;
  }
}

/// A step as it was recorded. Its passes count their work and traffic where they are called: on a GPU in the
/// recording, for the first of the steps.
void AdamTrainer::replay(const std::function<void()>& whole_step) {
  const InPhase stepping(device_.is_host() ? kPhaseOther : kPhaseDevice);
  const bool first = !recorded_;
  if (first) {
    const WorkCount work = noted_work();
    const Traffic moved = traffic();
    recorded_ = device_.record(whole_step);
    work_of_step_ = noted_work() - work;
    traffic_of_step_ = traffic() - moved;
    recorded_gradient_ = device_.is_host() ? StepGradient() : gradient_;
  }
  recorded_->replay();
  if (recorded_gradient_.sums.defined()) gradient_ = recorded_gradient_;
  if (first) return;
  note_work(work_of_step_);
  note_traffic(traffic_of_step_);
}

void AdamTrainer::begin_step(bool draws) {
  device_.kernels().begin_step(
      schedule_, reinterpret_cast<TrainingCounters*>(counters_.mutable_data_ptr<std::int64_t>()),
      choices_.defined() ? choices_.const_data_ptr<std::int64_t>() : nullptr,
      draws ? frames_.mutable_data_ptr<std::int64_t>() : nullptr,
      reinterpret_cast<AdamFactors*>(factors_.mutable_data_ptr<double>()));
}

std::pair<at::Tensor, at::Tensor> AdamTrainer::load_batch() {
  const InPhase loading(kPhaseData);
  const at::ScalarType type = model_.connectivity.scalar_type();
  return {batches_->activity(frames_).to(type), batches_->derivative(frames_).to(type)};
}

/// The step that has begun, on the frames that it drew or was given.
void AdamTrainer::take_step() {
  const auto [x, y] = load_batch();
  StepGradient gradient = loss_gradient_(model_, connectivity_, x, y, votes_);
  const InPhase optimizing(kPhaseOptimizer);
  connectivity_.step(gradient.g, gradient.psi_values, factors_.select(0, kConnectivity));
  psi_.step(model_.psi.parameters(), gradient.psi, factors_.select(0, kPsi));
  phi_.step(model_.phi.parameters(), gradient.phi, factors_.select(0, kPhi));
  embedding_.step(model_.embedding, gradient.embedding, factors_.select(0, kEmbedding));
  sums_.index_copy_(0, counters_.narrow(0, 2, 1), gradient.sums.unsqueeze(0));
  gradient_ = std::move(gradient);
}

Losses AdamTrainer::step(std::span<const std::int64_t> frames) {
  const c10::InferenceMode guard;
  require(std::ssize(frames) == schedule_.entries * grid_.replicas().size(),
          "a frame for each entry of the batch");
  const auto own = frames.subspan(static_cast<std::size_t>(schedule_.first_entry),
                                  static_cast<std::size_t>(schedule_.entries));
  if (config_.epoch_steps > 0 && steps_done_ > 0 && steps_done_ % config_.epoch_steps == 0) begin_epoch();
  batches_->stage(steps_done_, own);
  begin_step(/*draws=*/!batches_->is_resident());  // the place in the ring, where there is one
  if (batches_->is_resident()) frames_.copy_(index_of(own));
  take_step();
  ++steps_done_;
  return losses_in(look(1)).front();
}

/// The host's part of the coming steps, where the device does not hold all frames.
void AdamTrainer::stage(std::int64_t first_step, std::int64_t count) {
  if (batches_->is_resident()) return;
  const InPhase loading(kPhaseData);
  std::vector<std::int64_t> frames;
  for (std::int64_t step = first_step; step < first_step + count; ++step) {
    for (std::int64_t b = 0; b < schedule_.entries; ++b)
      frames.push_back(
          usable_[static_cast<std::size_t>(drawn_place(schedule_, step, schedule_.first_entry + b))]);
  }
  batches_->stage(first_step, frames);
}

/// What the last so many steps, all of one window, have summed over ranks; on the host.
at::Tensor AdamTrainer::look(std::int64_t count) {
  const InPhase waiting(device_.is_host() ? kPhaseOther : kPhaseDevice);
  device_.synchronize();
  return sums_.narrow(0, (steps_done_ - count) % schedule_.window, count).to(at::kCPU);
}

void AdamTrainer::begin_epoch() {
  connectivity_.reset();
  psi_.reset();
  phi_.reset();
  embedding_.reset();
  counters_.narrow(0, 1, 1).zero_();  // Adam's count
}

std::vector<AdamTrainer::Part> AdamTrainer::row_parts() const {
  return {{"connectivity", model_.connectivity},
          {"embedding", model_.embedding},
          {"adam/connectivity/first_moment", connectivity_.first_moment()},
          {"adam/connectivity/second_moment", connectivity_.second_moment()},
          {"adam/embedding/first_moment", embedding_.first_moment()},
          {"adam/embedding/second_moment", embedding_.second_moment()}};
}

std::vector<AdamTrainer::Part> AdamTrainer::common_parts() const {
  std::vector<Part> parts;
  for (const auto& [name, tensor] : model_.psi.named_parameters()) parts.push_back({"psi/" + name, tensor});
  for (const auto& [name, tensor] : model_.phi.named_parameters()) parts.push_back({"phi/" + name, tensor});
  parts.push_back({"adam/psi/first_moment", psi_.first_moment()});
  parts.push_back({"adam/psi/second_moment", psi_.second_moment()});
  parts.push_back({"adam/phi/first_moment", phi_.first_moment()});
  parts.push_back({"adam/phi/second_moment", phi_.second_moment()});
  return parts;
}

ModelArrays AdamTrainer::arrays() const {
  at_host_.clear();
  const auto views_of = [this](const std::vector<Part>& parts) {
    std::vector<ArrayView> views;
    for (const Part& part : parts) {
      at_host_.push_back(part.tensor.to(at::kCPU));
      views.push_back(view_of(part.name, at_host_.back()));
    }
    return views;
  };
  ModelArrays arrays{views_of(row_parts()), views_of(common_parts())};
  arrays.common.push_back(view_of("history/step", history_.step));
  arrays.common.push_back(view_of("history/loss_total", history_.total));
  arrays.common.push_back(view_of("history/loss_data", history_.data));
  arrays.common.push_back(view_of("history/loss_phi_zero", history_.phi_zero));
  arrays.common.push_back(view_of("history/loss_psi_monotone", history_.psi_monotone));
  return arrays;
}

}  // namespace weft
