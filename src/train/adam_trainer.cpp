#include "weft/train/adam_trainer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include "weft/core/error.hpp"
#include "weft/model/tensor_view.hpp"

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

}  // namespace

AdamTrainer::AdamTrainer(const ProcessGrid& grid, TrainingData data, SignalGnn model,
                         const TrainingConfig& config, std::uint64_t seed)
    : grid_(grid),
      data_(std::move(data)),
      model_(std::move(model)),
      config_(config),
      random_(seed, RandomStream::training_frames),
      // The published delta of the monotone term is a 150th of xnorm.
      loss_gradient_(grid, config.loss, data_.activity_scale / 150),
      connectivity_(model_.connectivity, model_.first_row(), {config.loss.l1, config.loss.l2}),
      psi_(model_.psi.parameters()),
      phi_(model_.phi.parameters()),
      embedding_(model_.embedding) {
  if (config.batch_size % grid.replicas().size() != 0) {
    throw UserError({"training.batch_size", std::to_string(config.batch_size),
                     fmt::format("a multiple of training.replicas = {}", grid.replicas().size()),
                     "change one of the two"});
  }
}

void AdamTrainer::train(const ProgressSink& progress) {
  const std::int64_t record_every = std::max<std::int64_t>(1, config_.steps / kRecords);
  LossWindow window;
  double recent = 0;
  while (steps_done_ < config_.steps) {
    const Losses losses = step(draw_frames());
    // The losses come out of an all-reduce, so that every rank throws at the same step.
    if (!std::isfinite(losses.total())) {
      throw UserError({fmt::format("training, step {}", steps_done_),
                       fmt::format("the loss became {}", losses.total()), "a finite loss",
                       "lower training.learning_rate.*"});
    }
    window.add(losses);
    if (steps_done_ % record_every == 0 || steps_done_ == config_.steps) {
      recent = window.record(steps_done_, data_.partition.rows(), history_);
    }
    if (progress) {
      progress({"train", steps_done_, config_.steps, "steps", fmt::format("loss per neuron {:.4g}", recent)});
    }
  }
  finish();
}

Losses AdamTrainer::step(std::span<const std::int64_t> frames) {
  const c10::InferenceMode guard;
  require(frames.size() % static_cast<std::size_t>(grid_.replicas().size()) == 0,
          "a batch that the replicas cannot share");
  if (config_.epoch_steps > 0 && steps_done_ > 0 && steps_done_ % config_.epoch_steps == 0) begin_epoch();
  const auto batch = static_cast<std::int64_t>(frames.size()) / grid_.replicas().size();
  const at::Tensor own =
      at::from_blob(const_cast<std::int64_t*>(frames.data()) + grid_.replica() * batch, {batch}, at::kLong);
  const at::ScalarType type = model_.connectivity.scalar_type();

  StepGradient gradient = loss_gradient_(model_, connectivity_, data_.activity.index_select(0, own).to(type),
                                         data_.derivative.index_select(0, own).to(type));
  const double factor = rate_factor();
  connectivity_.step(std::move(gradient.g), std::move(gradient.psi_values),
                     factor * config_.learning_rate.connectivity);
  psi_.step(model_.psi.parameters(), gradient.psi, factor * config_.learning_rate.psi);
  phi_.step(model_.phi.parameters(), gradient.phi, factor * config_.learning_rate.phi);
  embedding_.step(model_.embedding, gradient.embedding, factor * config_.learning_rate.embedding);
  ++steps_done_;
  return gradient.losses;
}

std::vector<std::int64_t> AdamTrainer::draw_frames() const {
  std::vector<std::int64_t> frames(static_cast<std::size_t>(config_.batch_size));
  for (std::size_t b = 0; b < frames.size(); ++b) {
    const std::vector<std::int64_t>& usable = data_.frames.with_derivative;
    frames[b] = usable[random_.below(usable.size(), static_cast<std::uint64_t>(steps_done_), b)];
  }
  return frames;
}

double AdamTrainer::rate_factor() const {
  const double passed = static_cast<double>(steps_done_) / static_cast<double>(config_.steps);
  return config_.final_rate + (1 - config_.final_rate) * (1 + std::cos(std::numbers::pi * passed)) / 2;
}

void AdamTrainer::begin_epoch() {
  connectivity_.reset();
  psi_.reset();
  phi_.reset();
  embedding_.reset();
}

ModelArrays AdamTrainer::arrays() const {
  ModelArrays arrays;
  arrays.rows = {view_of("connectivity", model_.connectivity),
                 view_of("embedding", model_.embedding),
                 view_of("adam/connectivity/first_moment", connectivity_.first_moment()),
                 view_of("adam/connectivity/second_moment", connectivity_.second_moment()),
                 view_of("adam/embedding/first_moment", embedding_.first_moment()),
                 view_of("adam/embedding/second_moment", embedding_.second_moment())};
  for (const auto& [name, tensor] : model_.psi.named_parameters())
    arrays.common.push_back(view_of("psi/" + name, tensor));
  for (const auto& [name, tensor] : model_.phi.named_parameters())
    arrays.common.push_back(view_of("phi/" + name, tensor));
  arrays.common.push_back(view_of("adam/psi/first_moment", psi_.first_moment()));
  arrays.common.push_back(view_of("adam/psi/second_moment", psi_.second_moment()));
  arrays.common.push_back(view_of("adam/phi/first_moment", phi_.first_moment()));
  arrays.common.push_back(view_of("adam/phi/second_moment", phi_.second_moment()));
  arrays.common.push_back(view_of("history/step", history_.step));
  arrays.common.push_back(view_of("history/loss_total", history_.total));
  arrays.common.push_back(view_of("history/loss_data", history_.data));
  arrays.common.push_back(view_of("history/loss_phi_zero", history_.phi_zero));
  arrays.common.push_back(view_of("history/loss_psi_monotone", history_.psi_monotone));
  return arrays;
}

}  // namespace weft
