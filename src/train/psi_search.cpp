#include "weft/train/psi_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"
#include "weft/core/philox.hpp"
#include "weft/train/numerical_breakdown.hpp"
#include "weft/train/psi_projection.hpp"

#include "train/tensor_sums.hpp"

namespace weft {
namespace {

constexpr double kPhiCut = 1e-9;         // smallest eigenvalue of S_i that counts, of the largest
constexpr double kRoughness = 1e-7;      // weight of the penalty, of the mean diagonal of J'J
constexpr double kFloor = 1e-3;          // below this residual a small relative gain ends the search
constexpr double kSmallGain = 0.04;      // of the squared residual
constexpr double kNearEnough = 0.1;      // residual at which rows are added that see the ends of psi
constexpr double kNoisy = 1e-2;          // residual that more rows and frames are worth
constexpr std::int64_t kOwnersPerEnd = 8;
constexpr std::int64_t kBins = 2000;
constexpr std::int64_t kFewestSpareFrames = 200;

at::Tensor tensor_of(std::span<const double> values) {
  return at::from_blob(const_cast<double*>(values.data()), {std::ssize(values)}, at::kDouble).clone();
}

std::vector<double> vector_of(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kDouble).contiguous();
  return {dense.const_data_ptr<double>(), dense.const_data_ptr<double>() + dense.numel()};
}

/// How often each part of the axis is visited, by group: (groups x bins), each of sum 1. @collective
std::vector<double> visits(Communicator& rows, const NeuronSignals& signals) {
  const std::int64_t every = std::max<std::int64_t>(1, signals.coordinate.size(0) / 400);
  std::vector<double> counts(static_cast<std::size_t>(signals.groups * kBins), 0);
  const float* const u = signals.coordinate.const_data_ptr<float>();
  for (std::int64_t t = 0; t < signals.coordinate.size(0); t += every) {
    for (std::int64_t i = 0; i < signals.rows(); ++i) {
      const double v = (u[t * signals.rows() + i] - signals.axis.low) / signals.axis.width;
      const auto bin = std::clamp<std::int64_t>(static_cast<std::int64_t>(v * kBins), 0, kBins - 1);
      const std::int64_t group = signals.group[static_cast<std::size_t>(signals.partition.begin(signals.shard) + i)];
      counts[static_cast<std::size_t>(group * kBins + bin)] += 1;
    }
  }
  rows.all_reduce(std::span<double>(counts), Reduction::sum).wait();
  for (std::int64_t g = 0; g < signals.groups; ++g) {
    const auto begin = counts.begin() + g * kBins;
    const double total = std::accumulate(begin, begin + kBins, 0.0);
    std::transform(begin, begin + kBins, begin, [total](double count) { return count / std::max(total, 1.0); });
  }
  return counts;
}

/// Values of some neurons, wherever they are, at the same frames: (frames x neurons), on every shard. @collective
at::Tensor gather_neurons(Communicator& rows, const NeuronSignals& signals, const at::Tensor& own,
                          const std::vector<std::int64_t>& neurons) {
  at::Tensor all = at::zeros({own.size(0), std::ssize(neurons)}, own.scalar_type());
  for (std::size_t k = 0; k < neurons.size(); ++k) {
    const GlobalRow row{neurons[k]};
    if (signals.partition.owner(row) != signals.shard) continue;
    all.select(1, static_cast<std::int64_t>(k)).copy_(own.select(1, index(signals.partition.local(row))));
  }
  sum_over(rows, all);
  return all;
}

/// The places of the `count` largest values, those of `taken` left out; fewer where there are no more.
std::vector<std::int64_t> largest(const std::vector<double>& values, std::int64_t count,
                                  const std::vector<std::int64_t>& taken) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](std::int64_t k) { return std::ranges::find(taken, k) != taken.end(); });
  const auto end = order.begin() + std::min(count, std::ssize(order));
  std::ranges::partial_sort(order, end, std::greater<>(), [&](std::int64_t k) { return values[static_cast<std::size_t>(k)]; });
  order.erase(end, order.end());
  return order;
}

/// One number of each neuron, on every shard. @collective
std::vector<double> gather_neuron_values(Communicator& rows, const RowPartition& partition, std::vector<double> own) {
  std::vector<double> all(static_cast<std::size_t>(partition.rows()));
  rows.all_gather(std::span<double>(own), std::span<double>(all), partition.sizes()).wait();
  return all;
}

/// Frames for a noisy y: all, as far as a Gram matrix of 1e12 operations and 2e8 values of psi go.
std::int64_t noisy_frames(std::int64_t neurons, std::int64_t few) {
  const auto n = static_cast<double>(neurons);
  return std::max(few, static_cast<std::int64_t>(std::min(1e12 / (n * n), 2e8 / n)));
}

/// A psi with everything linear solved for: what is left of the sampled rows, and with what.
struct Evaluation {
  double residual = 0;
  at::Tensor rest_y;    ///< (frames x R) double, projected off Psi
  at::Tensor rest_phi;  ///< (R x frames x M) double, projected off Psi
  at::Tensor metric;    ///< (R x M x M) S_i
  at::Tensor inverse;   ///< (R x M x M) of S_i, truncated
  at::Tensor phi;       ///< (R x M)
  at::Tensor remainder; ///< (frames x R) double
  at::Tensor weights;   ///< (own columns x R) W of the sampled rows
};

class Search {
 public:
  Search(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& choice,
         const PsiSearchOptions& options, WorkLog& log);
  PsiSearchResult run();

 private:
  struct Point {
    std::vector<double> psi;
    double residual = std::numeric_limits<double>::infinity();
    at::Tensor phi, metric;
  };
  /// The quadratic that a step is taken on, at the best point.
  struct Normal {
    at::Tensor matrix, gradient, damping, penalty;
  };

  void pose(std::vector<std::int64_t> rows, const Frames& frames);
  at::Tensor phi_matrix(const Frames& own_frames) const;
  at::Tensor centred(at::Tensor values) const;
  at::Tensor project(const at::Tensor& values, at::Tensor* coefficients) const;
  Evaluation evaluate(const std::vector<double>& psi);
  void solve_rows(Evaluation& evaluation, const at::Tensor& projected, const at::Tensor& coefficients) const;
  Normal linearise(const Evaluation& evaluation, const Point& point) const;
  std::vector<double> step_from(const Point& point, const Normal& normal) const;
  double predicted_gain(const Point& from, const std::vector<double>& to, const Normal& normal) const;
  bool worth(double gain, double residual) const;
  std::vector<double> descend(std::vector<double> psi, double stop_below);
  std::vector<double> normalised(std::vector<double> psi) const;
  std::vector<std::int64_t> rows_that_hear_the_ends() const;
  std::vector<std::int64_t> add_random_rows(std::vector<std::int64_t> rows, std::int64_t count) const;
  double spare() const;

  const ProcessGrid& grid_;
  const NeuronSignals& signals_;
  const FrameChoice& choice_;
  PsiSearchOptions options_;
  WorkLog& log_;
  UniformSplines psi_basis_, phi_basis_;
  std::int64_t neurons_, unknowns_;
  std::vector<double> visits_;
  at::Tensor roughness_;

  // The problem as posed: some rows, some frames, of which this replica has a share.
  std::vector<std::int64_t> rows_;
  Frames own_frames_;
  std::int64_t frames_ = 0;
  at::Tensor data_;  ///< (own frames x R (1 + M)) double: y, then Phi of each row
  double total_squares_ = 0;

  std::optional<PsiProjection> projection_;  ///< of the psi that was evaluated last
  Point best_;
  double damping_ = 1e-6;
  PsiSearchResult result_;
};

Search::Search(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& choice,
               const PsiSearchOptions& options, WorkLog& log)
    : grid_(grid),
      signals_(signals),
      choice_(choice),
      options_(options),
      log_(log),
      psi_basis_(options.psi_splines),
      phi_basis_(options.phi_splines),
      neurons_(signals.partition.rows()),
      unknowns_(signals.groups * options.psi_splines),
      visits_(visits(grid.rows(), signals)) {
  const at::Tensor one = tensor_of(psi_basis_.roughness(signals.axis)).view({options.psi_splines, options.psi_splines});
  roughness_ = at::zeros({unknowns_, unknowns_}, at::kDouble);
  for (std::int64_t g = 0; g < signals.groups; ++g) {
    const std::int64_t first = g * options.psi_splines;
    roughness_.narrow(0, first, options.psi_splines).narrow(1, first, options.psi_splines).copy_(one);
  }
}

/// Residuals of so many squares are independent of the fit.
double Search::spare() const {
  const double rows = static_cast<double>(rows_.size());
  return std::max(1.0, rows * static_cast<double>(frames_ - neurons_ - options_.phi_splines) -
                           static_cast<double>(unknowns_));
}

at::Tensor Search::centred(at::Tensor values) const {
  at::Tensor mean = values.sum(0, true).to(at::kDouble).contiguous();
  sum_over(grid_.replicas(), mean);
  return values.sub_(mean.div_(static_cast<double>(frames_)));
}

/// The splines of each sampled row at its own activity, (own frames x R M), filtered as the form says.
at::Tensor Search::phi_matrix(const Frames& own_frames) const {
  const auto splines_at = [&](const Frames& frames, double sign, at::Tensor& sum) {
    const at::Tensor own = signals_.coordinate.index_select(
        0, at::from_blob(const_cast<std::int64_t*>(frames.data()), {std::ssize(frames)}, at::kLong));
    const at::Tensor u = gather_neurons(grid_.rows(), signals_, own, rows_);
    const std::int64_t rows = std::ssize(rows_);
    const float* const from = u.const_data_ptr<float>();
    double* const to = sum.mutable_data_ptr<double>();
#pragma omp parallel for schedule(static)
    for (std::int64_t k = 0; k < u.numel(); ++k) {
      const auto local = phi_basis_.at((from[k] - signals_.axis.low) / signals_.axis.width);
      const std::int64_t start = (k / rows * rows + k % rows) * phi_basis_.count() + local.first;
      for (std::int64_t p = 0; p < 4; ++p) to[start + p] += sign * local.value[p];
    }
  };
  at::Tensor sum = at::zeros({std::ssize(own_frames), std::ssize(rows_) * phi_basis_.count()}, at::kDouble);
  splines_at(own_frames, 1, sum);
  if (!options_.form.differenced) return sum;
  Frames before = own_frames;
  for (std::int64_t& frame : before) --frame;
  splines_at(before, -1, sum);
  return sum;
}

void Search::pose(std::vector<std::int64_t> rows, const Frames& frames) {
  rows_ = std::move(rows);
  frames_ = std::ssize(frames);
  const auto share = replica_share(grid_, frames);
  own_frames_.assign(share.begin(), share.end());
  log_.phase("psi: data of the sampled rows", 0, [&] {
    const at::Tensor own = signals_.derivative_values(own_frames_, options_.form);
    const at::Tensor y =
        centred(gather_neurons(grid_.rows(), signals_, own, rows_).to(at::kDouble));
    data_ = at::cat({y, centred(phi_matrix(own_frames_))}, 1);
    total_squares_ = sum_over(grid_.replicas(), y.square().sum().item<double>());
  });
  best_ = {};
  result_.frames = frames_;
}

at::Tensor Search::project(const at::Tensor& values, at::Tensor* coefficients) const {
  return log_.phase("psi: projections", projection_->project_flops(values.size(1)),
                    [&] { return projection_->project(values, coefficients); });
}

/// Each sampled row by itself: phi from what is left of y and Phi, then W.
void Search::solve_rows(Evaluation& e, const at::Tensor& projected, const at::Tensor& coefficients) const {
  const std::int64_t rows = std::ssize(rows_);
  const std::int64_t splines = phi_basis_.count();
  e.rest_y = projected.narrow(1, 0, rows);
  e.rest_phi = projected.narrow(1, rows, rows * splines).view({-1, rows, splines}).permute({1, 0, 2}).contiguous();
  const at::Tensor transposed = e.rest_phi.transpose(1, 2);
  e.metric = at::bmm(transposed, e.rest_phi);
  at::Tensor right = at::bmm(transposed, e.rest_y.t().unsqueeze(2).contiguous());
  sum_over(grid_.replicas(), e.metric);
  sum_over(grid_.replicas(), right);
  const auto [values, vectors] = at::linalg_eigh(e.metric);
  const at::Tensor keep = values > kPhiCut * values.narrow(1, splines - 1, 1);
  const at::Tensor inverted = at::where(keep, values.reciprocal(), at::zeros({1}, at::kDouble));
  e.inverse = at::bmm(vectors * inverted.unsqueeze(1), vectors.transpose(1, 2));
  e.phi = at::bmm(e.inverse, right).squeeze(2);
  e.remainder = e.rest_y - at::bmm(e.rest_phi, e.phi.unsqueeze(2)).squeeze(2).t();

  const std::int64_t first = signals_.partition.begin(signals_.shard);
  const at::Tensor own = coefficients.narrow(1, first, signals_.rows());
  const at::Tensor of_phi = own.narrow(0, rows, rows * splines).reshape({rows, splines, signals_.rows()});
  const at::Tensor w = own.narrow(0, 0, rows) - at::bmm(e.phi.unsqueeze(1), of_phi).squeeze(1);
  e.weights = (w * tensor_of(projection_->scaling().scale)).t().contiguous().to(options_.form.type);
  const double squares = sum_over(grid_.replicas(), e.remainder.square().sum().item<double>());
  e.residual = std::sqrt(squares / total_squares_);
}

Evaluation Search::evaluate(const std::vector<double>& psi) {
  projection_.reset();  // before the next one takes as much memory
  projection_.emplace(grid_, signals_, own_frames_, psi, options_.form, log_);
  Evaluation evaluation;
  at::Tensor coefficients;
  const at::Tensor projected = project(data_, &coefficients);
  log_.phase("psi: rows", 0, [&] { solve_rows(evaluation, projected, coefficients); });
  if (!std::isfinite(evaluation.residual)) throw NumericalBreakdown("the residual of the sampled rows is not finite");
  return evaluation;
}

/// The derivative of the projected residual, in Kaufman's form, and the normal equations of a step.
Search::Normal Search::linearise(const Evaluation& e, const Point& point) const {
  const std::int64_t rows = std::ssize(rows_);
  at::Tensor sensitivity = log_.phase("psi: derivative", 0, [&] {
    at::Tensor sum = signals_.psi_sensitivity(own_frames_, e.weights, options_.psi_splines, options_.form);
    sum_over(grid_.rows(), sum);
    return centred(sum.view({-1, rows * unknowns_}).to(at::kDouble));
  });
  sensitivity = project(sensitivity, nullptr);
  return log_.phase("psi: derivative", 0, [&] {
    at::Tensor by_row = sensitivity.view({-1, rows, unknowns_}).permute({1, 0, 2}).contiguous();
    at::Tensor products = at::bmm(e.rest_phi.transpose(1, 2), by_row);
    sum_over(grid_.replicas(), products);
    by_row.sub_(at::bmm(e.rest_phi, at::bmm(e.inverse, products)));
    const at::Tensor jacobian = by_row.view({-1, unknowns_});
    Normal normal;
    normal.matrix = at::mm(jacobian.t(), jacobian);
    normal.gradient = at::mm(jacobian.t(), e.remainder.t().contiguous().view({-1, 1}));
    sum_over(grid_.replicas(), normal.matrix);
    sum_over(grid_.replicas(), normal.gradient);
    const double mean = normal.matrix.trace().item<double>() / static_cast<double>(unknowns_);
    normal.damping = normal.matrix.diagonal().diag() + 1e-9 * mean * at::eye(unknowns_, at::kDouble);
    normal.penalty = kRoughness * mean * roughness_;
    normal.gradient.sub_(at::mm(normal.penalty, tensor_of(point.psi).unsqueeze(1)));
    return normal;
  });
}

std::vector<double> Search::step_from(const Point& point, const Normal& normal) const {
  const at::Tensor step =
      at::linalg_solve(normal.matrix + normal.penalty + damping_ * normal.damping, normal.gradient).squeeze(1);
  return vector_of(tensor_of(point.psi) + step);
}

/// The relative fall of the squared residual that a step promises.
double Search::predicted_gain(const Point& from, const std::vector<double>& to, const Normal& normal) const {
  const at::Tensor step = tensor_of(to) - tensor_of(from.psi);
  return (step * normal.gradient.squeeze(1)).sum().item<double>() / (from.residual * from.residual * total_squares_);
}

/// Whether a relative fall of the squared residual is more than noise, and more than a small part of a tiny residual.
bool Search::worth(double gain, double residual) const {
  if (gain * spare() < 0.5 * static_cast<double>(unknowns_)) return false;
  return residual >= kFloor || gain >= kSmallGain;
}

/// Gauss-Newton with Levenberg and Marquardt's damping; a rejected step is retried shorter from the best point. Ends
/// where nothing is left to gain, or with the step that follows a residual below `stop_below`. Returns where to go on.
std::vector<double> Search::descend(std::vector<double> psi, double stop_below) {
  Normal normal;
  for (std::int64_t step = 0;; ++step) {
    const Evaluation evaluation = evaluate(psi);
    result_.residuals.push_back(evaluation.residual);
    result_.dampings.push_back(damping_);
    log_.say(fmt::format("psi iteration {}: residual {:.2e}, damping {:.0e}", result_.residuals.size(),
                         evaluation.residual, damping_));
    const double before = best_.residual;
    const double change = std::abs(before * before / (evaluation.residual * evaluation.residual) - 1);
    const bool improved = evaluation.residual < before;
    if (improved) best_ = {psi, evaluation.residual, evaluation.phi, evaluation.metric};
    const bool settled = std::isfinite(before) && !worth(change, evaluation.residual);
    if (settled || step == options_.max_steps || (!improved && damping_ > 1e-2)) return best_.psi;
    if (improved) {
      normal = linearise(evaluation, best_);
      damping_ = std::max(damping_ / 10, 1e-9);
    } else {
      damping_ *= 30;
      ++result_.rejected_steps;
    }
    std::vector<double> next = step_from(best_, normal);
    if (!worth(predicted_gain(best_, next, normal), best_.residual) && improved) return best_.psi;
    psi = normalised(std::move(next));
    if (best_.residual < stop_below) return psi;
  }
}

/// Each group of mean 0 and variance 1 over the data, and increasing on the whole: what W and phi can make up for.
std::vector<double> Search::normalised(std::vector<double> psi) const {
  for (std::int64_t g = 0; g < signals_.groups; ++g) {
    const std::span<double> c(psi.data() + g * options_.psi_splines, static_cast<std::size_t>(options_.psi_splines));
    const double* const weight = visits_.data() + g * kBins;
    std::vector<double> value(kBins);
    double mean = 0, variance = 0, slope = 0;
    for (std::int64_t b = 0; b < kBins; ++b) {
      value[static_cast<std::size_t>(b)] = psi_basis_.value(c, (static_cast<double>(b) + 0.5) / kBins);
      mean += weight[b] * value[static_cast<std::size_t>(b)];
    }
    for (std::int64_t b = 0; b < kBins; ++b) {
      const double deviation = value[static_cast<std::size_t>(b)] - mean;
      variance += weight[b] * deviation * deviation;
      slope += weight[b] * deviation * static_cast<double>(b);
    }
    if (!(variance > 0)) continue;
    const double factor = (slope < 0 ? -1 : 1) / std::sqrt(variance);
    for (double& coefficient : c) coefficient = (coefficient - mean) * factor;  // the splines add up to 1
  }
  return psi;
}

/// The ends of psi are seen only through the few neurons that own the extreme samples: the rows with the strongest
/// weights from them. The columns of W of those few cost one solve each; phi is neglected, for this picks rows only.
std::vector<std::int64_t> Search::rows_that_hear_the_ends() const {
  std::vector<std::int64_t> chosen;
  const auto own_frames = at::from_blob(const_cast<std::int64_t*>(own_frames_.data()), {std::ssize(own_frames_)}, at::kLong);
  const at::Tensor u = signals_.coordinate.index_select(0, own_frames);
  const at::Tensor y = centred(signals_.derivative_values(own_frames_, options_.form).to(at::kDouble)).to(options_.form.type);
  for (const double sign : {1.0, -1.0}) {
    at::Tensor peak = (u * sign).amax(0).contiguous();
    grid_.replicas().all_reduce(buffer_of(peak), Reduction::max).wait();
    const std::vector<double> peaks = gather_neuron_values(grid_.rows(), signals_.partition, vector_of(peak));
    const std::vector<std::int64_t> owners = largest(peaks, kOwnersPerEnd, {});
    at::Tensor unit = at::zeros({neurons_, std::ssize(owners)}, options_.form.type);
    for (std::size_t k = 0; k < owners.size(); ++k) unit[owners[k]][static_cast<std::int64_t>(k)] = 1;
    at::Tensor weights = at::mm(projection_->filters(unit).t(), y);
    sum_over(grid_.replicas(), weights);
    const std::vector<double> scores =
        gather_neuron_values(grid_.rows(), signals_.partition, vector_of(weights.to(at::kDouble).square().sum(0)));
    std::vector<std::int64_t> taken = rows_;
    taken.insert(taken.end(), chosen.begin(), chosen.end());
    const auto more = largest(scores, std::max<std::int64_t>(2, options_.rows / 2), taken);
    chosen.insert(chosen.end(), more.begin(), more.end());
  }
  return chosen;
}

std::vector<std::int64_t> Search::add_random_rows(std::vector<std::int64_t> rows, std::int64_t count) const {
  const Philox random(options_.seed, RandomStream::training_frames);
  count = std::min(count, neurons_);
  for (std::uint64_t k = 0; std::ssize(rows) < count; ++k) {
    const auto row = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(neurons_), 1, k));
    if (std::ranges::find(rows, row) == rows.end()) rows.push_back(row);
  }
  return rows;
}

PsiSearchResult Search::run() {
  // The coordinate itself: the coefficients of a straight line are equally spaced.
  std::vector<double> psi(static_cast<std::size_t>(unknowns_));
  for (std::size_t k = 0; k < psi.size(); ++k) psi[k] = static_cast<double>(k % static_cast<std::size_t>(options_.psi_splines));
  psi = normalised(std::move(psi));

  const Frames few = sample_frames(choice_, psi_search_frames(neurons_, options_.phi_splines), options_.seed);
  pose(add_random_rows({}, options_.rows), few);
  psi = descend(std::move(psi), kNearEnough);
  std::vector<std::int64_t> rows = rows_;
  if (std::ssize(rows) < neurons_) {
    const auto ends = rows_that_hear_the_ends();
    rows.insert(rows.end(), ends.begin(), ends.end());
  }
  pose(std::move(rows), few);
  psi = descend(std::move(psi), 0);
  if (best_.residual > kNoisy) {
    const Frames many = sample_frames(choice_, noisy_frames(neurons_, std::ssize(few)), options_.seed);
    pose(add_random_rows(rows_, options_.noisy_rows), many);
    psi = descend(std::move(psi), 0);
  }

  result_.psi = best_.psi;
  result_.rows = rows_;
  result_.phi = vector_of(best_.phi);
  result_.metric = vector_of(best_.metric);
  result_.total_squares = total_squares_;
  result_.residual_squares = best_.residual * best_.residual * total_squares_;
  result_.degrees_of_freedom = static_cast<std::int64_t>(spare());
  result_.pivots = projection_->pivots();
  return std::move(result_);
}

}  // namespace

std::int64_t psi_search_frames(std::int64_t neurons, std::int64_t phi_splines) {
  return neurons + phi_splines + std::max(neurons / 4, kFewestSpareFrames);
}

double psi_step_flops(const ProcessGrid& grid, const NeuronSignals& signals, const PsiSearchOptions& options) {
  const auto n = static_cast<double>(signals.partition.rows());
  const auto frames = static_cast<double>(psi_search_frames(signals.partition.rows(), options.phi_splines));
  const double columns = 1.5 * static_cast<double>(options.rows) *
                         static_cast<double>(1 + options.phi_splines + signals.groups * options.psi_splines);
  return (n * n * frames + n * n * n / 3 + 8 * n * columns * (frames + n)) / grid.world().size();
}

double PsiSearchResult::residual() const { return std::sqrt(residual_squares / total_squares); }

PsiSearchResult find_psi(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& frames,
                         const PsiSearchOptions& options, WorkLog& log) {
  return Search(grid, signals, frames, options, log).run();
}

}  // namespace weft
