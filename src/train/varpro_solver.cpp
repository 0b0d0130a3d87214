#include "weft/train/varpro_solver.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"
#include "weft/model/machine_speed.hpp"
#include "weft/model/principal_components.hpp"
#include "weft/model/tensor_kernels.hpp"
#include "weft/model/tensor_view.hpp"
#include "weft/train/closed_form_memory.hpp"
#include "weft/train/equal_neurons.hpp"
#include "weft/train/numerical_breakdown.hpp"
#include "weft/train/spline_gauge.hpp"

#include "train/closed_form_state.hpp"
#include "train/rounded_products.hpp"

namespace weft {
namespace {

constexpr std::int64_t kLatentPoints = 61;
constexpr double kExpectedPsiSteps = 7;

PsiSearchOptions search_options(const TrainingConfig& config, const EquationForm& form, std::uint64_t seed) {
  PsiSearchOptions options;
  options.psi_splines = config.psi_splines;
  options.phi_splines = config.phi_splines;
  options.form = form;
  options.seed = seed;
  return options;
}

/// Own neurons whose activity takes both signs.
std::vector<bool> neurons_that_visit_zero(const NeuronSignals& signals) {
  const at::Tensor both =
      (signals.coordinate.amin(0) <= 0).logical_and(signals.coordinate.amax(0) >= 0).cpu();
  const bool* const answers = both.const_data_ptr<bool>();
  return std::vector<bool>(answers, answers + both.numel());
}

void refuse_equal_neurons(Communicator& rows, const TrainingData& data) {
  const auto same = find_equal_neurons(rows, data);
  if (!same) return;
  throw UserError(
      {"training data",
       fmt::format("neurons {} and {} have the same activity at every frame", same->first, same->second),
       "neurons that differ: nothing can tell the weights of these two apart", "leave one of them out"});
}

std::string name_of(const EquationForm& form) {
  const char* const numbers = form.tf32 ? "float32 with TF32" : "float32";
  return fmt::format("{} form, {}", form.differenced ? "differenced" : "plain",
                     form.type == at::kDouble ? "float64" : numbers);
}

}  // namespace

VarproSolver::VarproSolver(Device& device, const ProcessGrid& grid, TrainingData data,
                           const TrainingConfig& config, std::vector<std::int64_t> psi_groups,
                           std::uint64_t seed)
    : device_(device),
      grid_(grid),
      config_(config),
      seed_(seed),
      frames_(data.frames),
      activity_scale_(data.activity_scale),
      partition_(data.partition),
      groups_(std::move(psi_groups)),
      data_(std::move(data)),
      state_(std::make_unique<ClosedFormState>()) {
  state_->form.tf32 = config.tf32 && !device.is_host();
}

VarproSolver::~VarproSolver() = default;

std::int64_t VarproSolver::steps_done() const { return state_->points; }

void VarproSolver::start_from(const EquationForm& form) { state_->form = form; }

ClosedFormShape VarproSolver::shape() const {
  const std::int64_t groups = groups_.empty() ? 1 : 1 + *std::ranges::max_element(groups_);
  return {partition_, grid_.shard(), groups * config_.psi_splines, config_.phi_splines};
}

/// The next form to try; false where there is none.
bool VarproSolver::fall_back(const std::string& reason) {
  EquationForm next = state_->form;
  if (next.tf32) {
    next.tf32 = false;
  } else if (next.type == at::kFloat) {
    next.type = at::kDouble;
  } else if (!next.differenced) {
    next.differenced = true;
  } else {
    return false;
  }
  state_->fallbacks.push_back(
      fmt::format("{}: {}; went on in the {}", name_of(state_->form), reason, name_of(next)));
  if (grid_.world().rank() == 0) log_warning("{}", state_->fallbacks.back());
  state_->form = next;
  state_->search = {};
  state_->shapes = {};
  state_->rows = {};
  return true;
}

/// Rank 0's, on every rank. @collective
PhiShapes VarproSolver::agreed_shapes() const {
  PhiShapes shapes = find_phi_shapes(state_->search.result, signals_->axis, config_.phi_splines);
  Communicator& world = grid_.world();
  std::array<std::int64_t, 3> counts{std::ssize(shapes.coefficients), std::ssize(shapes.excess),
                                     shapes.enough ? 1 : 0};
  world.broadcast(std::span<std::int64_t>(counts), 0).wait();
  shapes.coefficients.resize(static_cast<std::size_t>(counts[0]));
  shapes.excess.resize(static_cast<std::size_t>(counts[1]));
  shapes.enough = counts[2] == 1;
  world.broadcast(std::span<double>(shapes.coefficients), 0).wait();
  world.broadcast(std::span<double>(shapes.excess), 0).wait();
  return shapes;
}

void VarproSolver::solve_in_form(const FrameChoice& frames, const BetweenSteps& between, WorkLog& log) {
  const EquationForm& form = state_->form;
  PsiSearchState& search = state_->search;
  const PsiSearchOptions options = search_options(config_, form, seed_);
  const std::int64_t fitted = std::ssize(frames.fit);
  const std::int64_t neurons = partition_.rows();
  if (search.part < PsiSearchState::kParts) {
    log.expect_flops(log.flops() + kExpectedPsiSteps * psi_step_flops(grid_, *signals_, options) +
                     solve_rows_flops(grid_, neurons, fitted, 1));
    find_psi(grid_, *signals_, frames, options, search, between, log);
  }
  PhiShapes& shapes = state_->shapes;
  if (shapes.splines == 0) shapes = log.phase("psi: shapes of phi", 0, [&] { return agreed_shapes(); });
  place_series(shapes.count());
  log.expect_flops(log.flops() + solve_rows_flops(grid_, neurons, fitted, shapes.count()));
  log.say(fmt::format("rows: {} shapes of phi", shapes.count()));
  const GivenPsi psi{search.result.psi, search.result.psi_error};
  solve_rows(grid_, {*signals_, frames, psi, shapes, form, chunk_}, state_->rows, between, log);
}

/// On the device, if it has room for them and for all that is made of them with so many shapes of phi.
/// Returns the bytes that this takes there.
std::int64_t VarproSolver::place_series(std::int64_t shapes) {
  ClosedFormSize size =
      closed_form_size(grid_, *signals_, outlook_.frames, search_options(config_, state_->form, seed_));
  size.shapes = std::max<std::int64_t>(1, shapes);
  size.series_on_host = !device_.is_host() && closed_form_bytes(size) > usable_bytes(room_);
  signals_->compute_on(torch_device(device_), !size.series_on_host);
  out_of_core_ = size.series_on_host;
  return closed_form_bytes(size);
}

void VarproSolver::announce(std::int64_t bytes) const {
  if (grid_.world().rank() != 0) return;
  log_info("closed form: {} neurons, {} frames to fit, {} held out; {}, about {:.2g} GB a rank{}",
           outlook_.neurons, outlook_.frames, held_out_, name_of(state_->form),
           1e-9 * static_cast<double>(bytes),
           out_of_core_ ? ", without the series, which stay on the host" : "");
}

void VarproSolver::solve(const BetweenSteps& between, WorkLog& log) {
  while (true) {
    const FrameChoice frames = choose_frames(grid_.rows(), *signals_, frames_, state_->form.differenced);
    outlook_.frames = std::ssize(frames.fit);
    held_out_ = std::ssize(frames.held_out);
    require_enough(outlook_);
    announce(place_series(1));
    try {
      solve_in_form(frames, between, log);
      return;
    } catch (const NumericalBreakdown& breakdown) {
      log.write_off(static_cast<std::size_t>(state_->phases_of_others), name_of(state_->form) + ", given up");
      state_->phases_of_others = std::ssize(log.phases());
      if (fall_back(breakdown.what())) continue;
      throw UnidentifiableError({"training data", breakdown.what(), "activity that determines W",
                                 "record longer, or with more noise or more varied activity"});
    }
  }
}

void VarproSolver::assemble() {
  const NeuronSignals& signals = *signals_;
  const PsiSearchResult& search = state_->search.result;
  const PhiShapes& shapes = state_->shapes;
  const RowSolution& solution = state_->rows.solution;
  const std::int64_t rows = signals.rows();
  const std::int64_t first = signals.partition.begin(signals.shard);
  const auto neurons = static_cast<std::size_t>(signals.partition.rows());
  SplineNetwork network{signals.partition, signals.shard};
  // The state keeps its own, to be saved until the end.
  network.connectivity = solution.weights.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  network.embedding = at::zeros({rows, 2}, at::kFloat);
  network.axis = signals.axis;
  network.psi_splines = config_.psi_splines;
  network.shape_splines = config_.phi_splines;
  network.psi = search.psi;
  network.group = signals.group;
  network.shape = shapes.coefficients;
  network.shape_weight = solution.shape_weight;
  network.constant = solution.constant;
  for (std::int64_t i = 0; i < rows; ++i) {
    at::Tensor own = network.connectivity.select(0, i).select(0, first + i);
    network.self_weight.push_back(own.item<double>());
    own.zero_();
  }
  network.errors = {solution.deviation, solution.column_error, solution.residual,
                    std::vector<PresynapticState>(neurons, PresynapticState::heard)};
  network_ = std::move(network);
  scale_error_ = fix_gauge(grid_.rows(), *network_, activity_scale_, neurons_that_visit_zero(signals));
}

void VarproSolver::set_latents() {
  SplineNetwork& network = *network_;
  std::vector<double> curves;
  for (std::int64_t i = 0; i < network.rows(); ++i) {
    for (std::int64_t k = 0; k < kLatentPoints; ++k) {
      const double part = 2.0 * static_cast<double>(k) / (kLatentPoints - 1) - 1;
      curves.push_back(network.phi_at(LocalRow{i}, part * activity_scale_));
    }
  }
  const std::vector<double> latents =
      principal_components(grid_.rows(), network.partition, curves, kLatentPoints);
  float* const to = network.embedding.mutable_data_ptr<float>();
  std::ranges::transform(latents, to, [](double value) { return static_cast<float>(value); });
}

/// @collective @throws Stopped on all ranks
void VarproSolver::pass_point(RunControl& control, const SaveState& save, const WorkLog& log) {
  note_step(++state_->points);
  const Wish wish = ask(control, grid_.world());
  if (wish == Wish::go_on) return;
  state_->work = log.account();
  const SavedState saved = arrays_of_state(*state_, shape());
  save(state_->points, saved.arrays);
  if (wish == Wish::stop) throw Stopped(fmt::format("train, after step {}", state_->points));
}

/// From the data, once.
void VarproSolver::prepare(WorkLog& log) {
  if (!data_) return;
  room_ = device_.description().free_bytes;
  refuse_equal_neurons(grid_.rows(), *data_);
  outlook_ = look_at_data(grid_.rows(), *data_, config_.phi_splines, shape().psi_unknowns);
  signals_ = log.phase("data", 0, [&] { return make_signals(grid_.rows(), std::move(*data_), groups_); });
  data_.reset();
}

void VarproSolver::train(RunControl& control, const SaveState& save) {
  const c10::InferenceMode guard;
  const RoundedProducts exact(false);
  WorkLog log(
      control, [this] { device_.synchronize(); }, state_->work);
  const BetweenSteps between = [&] { pass_point(control, save, log); };
  prepare(log);
  solve(between, log);
  machine_flops_ = log.phase("machine", 0, [&] { return measure_products(device_, state_->form.type); });
  assemble();
  const RowSolution& solution = state_->rows.solution;
  identifiability_ =
      judge(grid_.rows(), outlook_, state_->search.result, state_->shapes, solution, scale_error_, *network_);
  log.phase("latents", 0, [&] { set_latents(); });
  log.say("distilling into networks");
  distilled_ = log.phase("distillation", 0, [&] { return distil(grid_, *network_, seed_, between); });
  const double residual = solution.residuals.back();
  log.measured({{"residual_ratio", "", residual}});
  log.finish(fmt::format("residual {:.2e}", residual));
  state_->work = log.account();
  ++state_->points;  // the end is one more step than any that was saved
  state_->rows.weights = state_->rows.solution.weights = at::Tensor();  // there is nothing more to save
  if (grid_.world().rank() != 0) return;
  for (const std::string& warning : identifiability_.warnings) log_warning("{}", warning);
}

void VarproSolver::resume(const Checkpoint& checkpoint) {
  const c10::InferenceMode guard;
  collectively(grid_.world(), [&] {
    const InSection reading(Section::read);
    *state_ = load_state(checkpoint, shape());
  });
}

ModelArrays VarproSolver::arrays() const {
  ModelArrays arrays = arrays_of(*network_);
  for (const auto& [name, tensor] : distilled_->psi.named_parameters())
    arrays.common.push_back(view_of("psi/" + name, tensor));
  for (const auto& [name, tensor] : distilled_->phi.named_parameters())
    arrays.common.push_back(view_of("phi/" + name, tensor));
  return arrays;
}

nlohmann::json VarproSolver::solver_json() const {
  const EquationForm& form = state_->form;
  const PsiSearchResult& search = state_->search.result;
  const RowSolution& solution = state_->rows.solution;
  const double seconds = state_->work.seconds;
  nlohmann::json phases = nlohmann::json::array();
  double flops = 0, busy = 0;
  for (const WorkLog::Phase& phase : state_->work.phases) {
    phases.push_back({{"name", phase.name}, {"seconds", phase.seconds}, {"tflop", phase.flops / 1e12}});
    flops += phase.flops;
    busy += phase.flops > 0 ? phase.seconds : 0;
  }
  return {{"form", form.differenced ? "differenced" : "plain"},
          {"precision", form.type == at::kDouble ? "float64" : "float32"},
          {"tf32", form.tf32},
          {"out_of_core", out_of_core_},
          {"fallbacks", state_->fallbacks},
          {"psi_iterations", std::ssize(search.residuals)},
          {"rejected_steps", search.rejected_steps},
          {"psi_rows", std::ssize(search.rows)},
          {"psi_frames", search.frames},
          {"psi_error", search.psi_error},
          {"psi_residuals", search.residuals},
          {"psi_dampings", search.dampings},
          {"phi_shapes", state_->shapes.count()},
          {"phi_shape_excess", state_->shapes.excess},
          {"residual", solution.residuals.back()},
          {"row_residuals", solution.residuals},
          {"refinement_rounds", std::ssize(solution.residuals) - 1},
          {"smallest_pivot", solution.smallest_pivot},
          {"largest_pivot", solution.largest_pivot},
          {"condition", solution.largest_pivot / solution.smallest_pivot},
          {"weak_directions", solution.weak_directions},
          {"excluded_columns", solution.silent_columns},
          {"phases", phases},
          {"seconds", seconds},
          {"gflops", flops / std::max(busy, 1e-9) / 1e9},
          {"product_share", busy / seconds},
          {"machine_gflops", machine_flops_ / 1e9},
          {"product_rate", flops / std::max(busy, 1e-9) / machine_flops_}};
}

nlohmann::json VarproSolver::findings() const {
  const RowSolution& solution = state_->rows.solution;
  nlohmann::json validation = {{"frames", held_out_}};
  if (solution.validation_r2) validation["r2"] = *solution.validation_r2;
  return {{"solver", solver_json()},
          {"identifiability", identifiability_.to_json()},
          {"validation", validation},
          {"distilled",
           {{"psi_rms_error", distilled_->psi_rms_error}, {"phi_rms_error", distilled_->phi_rms_error}}}};
}

}  // namespace weft
