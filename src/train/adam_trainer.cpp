#include "weft/train/adam_trainer.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "weft/core/error.hpp"
#include "weft/model/tensor_kernels.hpp"
#include "weft/model/tensor_view.hpp"
#include "weft/train/memory_needs.hpp"

#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

// Points of the loss curve that a training records.
constexpr std::int64_t kRecords = 1000;

/// Sums the losses of the steps between two records of the history.
class LossWindow {
 public:
  void add(const Losses& losses) {
    sum_.data += losses.data;
    sum_.phi_zero += losses.phi_zero;
    sum_.psi_monotone += losses.psi_monotone;
    ++steps_;
  }
  /// Appends the mean per neuron and starts anew. Returns the mean total.
  double record(std::int64_t step, std::int64_t neurons, LossHistory& history) {
    const double scale = 1.0 / (static_cast<double>(steps_) * static_cast<double>(neurons));
    history.step.push_back(step);
    history.total.push_back(scale * sum_.total());
    history.data.push_back(scale * sum_.data);
    history.phi_zero.push_back(scale * sum_.phi_zero);
    history.psi_monotone.push_back(scale * sum_.psi_monotone);
    *this = {};
    return history.total.back();
  }

 private:
  Losses sum_;
  std::int64_t steps_ = 0;
};

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
  schedule.learning_rate[kConnectivity] = config.learning_rate.connectivity;
  schedule.learning_rate[kEmbedding] = config.learning_rate.embedding;
  schedule.learning_rate[kPhi] = config.learning_rate.phi;
  schedule.learning_rate[kPsi] = config.learning_rate.psi;
  schedule.window = window_of(device);
  return schedule;
}

/// The losses come out of an all-reduce, so that every rank throws at the same step.
void require_finite(const Losses& losses, std::int64_t step) {
  const auto refuse = [&](const char* term, double value) {
    if (std::isfinite(value)) return;
    throw UserError({fmt::format("training, step {}", step),
                     fmt::format("the loss became {} ({})", value, term), "a finite loss",
                     "lower training.learning_rate.*"});
  };
  refuse("the residual", losses.data);
  refuse("training.loss.phi_zero", losses.phi_zero);
  refuse("training.loss.psi_monotone", losses.psi_monotone);
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
  losses_ = at::zeros({schedule_.window, 3}, exact);
  // W, m and v are there by now; of the rest the step takes its part first.
  const std::int64_t room = usable_bytes(device.description().free_bytes) -
                            gradient_work_bytes(config, partition_.rows(), model_.rows());
  batches_ = std::make_unique<BatchSource>(device, data, schedule_.entries, schedule_.window, room);
  if (batches_->is_resident())
    choices_ = index_of(usable_).to(whole.device(), at::kLong, false, /*copy=*/true);
}

void AdamTrainer::train(const ProgressSink& progress) {
  const c10::InferenceMode guard;
  const std::int64_t record_every = std::max<std::int64_t>(1, config_.steps / kRecords);
  LossWindow window;
  double recent = 0;
  stage(steps_done_, steps_to_look(steps_done_));
  while (steps_done_ < config_.steps) {
    const std::int64_t count = steps_to_look(steps_done_);
    run_steps(count);
    stage(steps_done_, steps_to_look(steps_done_));  // while the device works
    std::int64_t step = steps_done_ - count;
    for (const Losses& losses : look(count)) {
      ++step;
      require_finite(losses, step);
      window.add(losses);
      if (step % record_every == 0 || step == config_.steps)
        recent = window.record(step, partition_.rows(), history_);
    }
    if (progress)
      progress({"train", steps_done_, config_.steps, "steps", fmt::format("loss per neuron {:.4g}", recent)});
  }
  finish();
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
      if (!recorded_) recorded_ = device_.record(whole_step);
      recorded_->replay();
    } else {
      warm_ = connectivity_.waits();
      whole_step();
    }
    ++steps_done_;
  }
}

void AdamTrainer::begin_step(bool draws) {
  device_.kernels().begin_step(
      schedule_, reinterpret_cast<TrainingCounters*>(counters_.mutable_data_ptr<std::int64_t>()),
      choices_.defined() ? choices_.const_data_ptr<std::int64_t>() : nullptr,
      draws ? frames_.mutable_data_ptr<std::int64_t>() : nullptr,
      reinterpret_cast<AdamFactors*>(factors_.mutable_data_ptr<double>()));
}

/// The step that has begun, on the frames that it drew or was given.
void AdamTrainer::take_step() {
  const at::ScalarType type = model_.connectivity.scalar_type();
  const StepGradient gradient = loss_gradient_(model_, connectivity_, batches_->activity(frames_).to(type),
                                               batches_->derivative(frames_).to(type));
  connectivity_.step(gradient.g, gradient.psi_values, factors_.select(0, kConnectivity));
  psi_.step(model_.psi.parameters(), gradient.psi, factors_.select(0, kPsi));
  phi_.step(model_.phi.parameters(), gradient.phi, factors_.select(0, kPhi));
  embedding_.step(model_.embedding, gradient.embedding, factors_.select(0, kEmbedding));
  losses_.index_copy_(0, counters_.narrow(0, 2, 1), gradient.losses.unsqueeze(0));
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
  return look(1).front();
}

/// The host's part of the coming steps, where the device does not hold all frames.
void AdamTrainer::stage(std::int64_t first_step, std::int64_t count) {
  if (batches_->is_resident()) return;
  std::vector<std::int64_t> frames;
  for (std::int64_t step = first_step; step < first_step + count; ++step) {
    for (std::int64_t b = 0; b < schedule_.entries; ++b)
      frames.push_back(
          usable_[static_cast<std::size_t>(drawn_place(schedule_, step, schedule_.first_entry + b))]);
  }
  batches_->stage(first_step, frames);
}

/// The losses of the last so many steps, all of one window.
std::vector<Losses> AdamTrainer::look(std::int64_t count) {
  device_.synchronize();
  return losses_in(losses_.narrow(0, (steps_done_ - count) % schedule_.window, count));
}

void AdamTrainer::begin_epoch() {
  connectivity_.reset();
  psi_.reset();
  phi_.reset();
  embedding_.reset();
  counters_.narrow(0, 1, 1).zero_();  // Adam's count
}

ModelArrays AdamTrainer::arrays() const {
  at_host_.clear();
  const auto view = [this](std::string name, const at::Tensor& tensor) {
    at_host_.push_back(tensor.to(at::kCPU));
    return view_of(std::move(name), at_host_.back());
  };
  ModelArrays arrays;
  arrays.rows = {view("connectivity", model_.connectivity),
                 view("embedding", model_.embedding),
                 view("adam/connectivity/first_moment", connectivity_.first_moment()),
                 view("adam/connectivity/second_moment", connectivity_.second_moment()),
                 view("adam/embedding/first_moment", embedding_.first_moment()),
                 view("adam/embedding/second_moment", embedding_.second_moment())};
  for (const auto& [name, tensor] : model_.psi.named_parameters())
    arrays.common.push_back(view("psi/" + name, tensor));
  for (const auto& [name, tensor] : model_.phi.named_parameters())
    arrays.common.push_back(view("phi/" + name, tensor));
  arrays.common.push_back(view("adam/psi/first_moment", psi_.first_moment()));
  arrays.common.push_back(view("adam/psi/second_moment", psi_.second_moment()));
  arrays.common.push_back(view("adam/phi/first_moment", phi_.first_moment()));
  arrays.common.push_back(view("adam/phi/second_moment", phi_.second_moment()));
  arrays.common.push_back(view_of("history/step", history_.step));
  arrays.common.push_back(view_of("history/loss_total", history_.total));
  arrays.common.push_back(view_of("history/loss_data", history_.data));
  arrays.common.push_back(view_of("history/loss_phi_zero", history_.phi_zero));
  arrays.common.push_back(view_of("history/loss_psi_monotone", history_.psi_monotone));
  return arrays;
}

}  // namespace weft
