#include "weft/train/psi_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "weft/comm/sums.hpp"
#include "weft/core/philox.hpp"
#include "weft/train/psi_problem.hpp"

#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

constexpr double kRoughness = 1e-7;  // weight of the penalty, of the mean diagonal of J'J
constexpr double kFloor = 1e-3;      // below this residual a small relative gain ends the search
constexpr double kSmallGain = 0.04;  // of the squared residual
constexpr double kNearEnough = 0.1;  // residual at which rows are added that see the ends of psi
constexpr double kFine = 1e-4;       // residual at which the last steps begin, on more rows and frames
constexpr std::array<double, PsiSearchState::kParts> kEnough{kNearEnough, kFine, 0};  // for a part's end
constexpr double kNoisy = 1e-2;  // residual with which they need many
constexpr double kRankCut = 1e-15;
constexpr std::int64_t kMostSteps = 20;
constexpr double kMostDamping = 1e-2;
constexpr std::int64_t kBins = 2000;
constexpr std::int64_t kFewestSpareFrames = 200;
// Multiply-adds of a Gram matrix that nobody waits for: more frames in a small assembly.
constexpr double kCheapGram = 5e10;

/// How often each part of the axis is visited, by group: (groups x bins), each of sum 1. @collective
std::vector<double> visits(Communicator& rows, const NeuronSignals& signals) {
  const std::int64_t every = std::max<std::int64_t>(1, signals.coordinate.size(0) / 400);
  std::vector<double> counts(static_cast<std::size_t>(signals.groups * kBins), 0);
  const at::Tensor some =
      signals.coordinate.slice(0, 0, signals.coordinate.size(0), every).contiguous().cpu();
  const float* const u = some.const_data_ptr<float>();
  for (std::int64_t t = 0; t < some.size(0); ++t) {
    for (std::int64_t i = 0; i < signals.rows(); ++i) {
      const double v = (u[t * signals.rows() + i] - signals.axis.low) / signals.axis.width;
      const auto bin = std::clamp<std::int64_t>(static_cast<std::int64_t>(v * kBins), 0, kBins - 1);
      const std::int64_t group =
          signals.group[static_cast<std::size_t>(signals.partition.begin(signals.shard) + i)];
      counts[static_cast<std::size_t>(group * kBins + bin)] += 1;
    }
  }
  sum_over(rows, std::span<double>(counts));
  for (std::int64_t g = 0; g < signals.groups; ++g) {
    const auto begin = counts.begin() + g * kBins;
    const double total = std::accumulate(begin, begin + kBins, 0.0);
    std::transform(begin, begin + kBins, begin,
                   [total](double count) { return count / std::max(total, 1.0); });
  }
  return counts;
}

/// All frames, as far as a Gram matrix of 1e12 multiply-adds, 2e8 values of psi and 1.5 GB for the series of
/// so many sampled rows go, but no fewer than the steps before have.
std::int64_t many_frames(const PsiSearchOptions& options, std::int64_t rows, std::int64_t neurons,
                         std::int64_t groups) {
  const auto n = static_cast<double>(neurons);
  // y, the splines of phi and the sensitivities of psi, with what the projections leave of each.
  const double bytes_of_a_frame = 8.0 * static_cast<double>(rows) *
                                  (2.0 * static_cast<double>(options.phi_splines) +
                                   3.0 * static_cast<double>(groups * options.psi_splines) + 2);
  return std::max(psi_search_frames(neurons, groups, options),
                  static_cast<std::int64_t>(std::min({1e12 / (n * n), 2e8 / n, 1.5e9 / bytes_of_a_frame})));
}

class Search {
 public:
  Search(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& choice,
         const PsiSearchOptions& options, PsiSearchState& state, WorkLog& log);
  void run(const BetweenSteps& between);

 private:
  using Point = PsiSearchState::Point;
  using Quadratic = PsiSearchState::Quadratic;

  void begin();
  void pose();
  bool advance_in_part();
  void end_part();
  void end_search();
  Quadratic quadratic_at(const Point& point, const PsiEvaluation& evaluation) const;
  std::vector<double> step_from(const Point& point, const Quadratic& quadratic) const;
  double predicted_gain(const std::vector<double>& to, const Quadratic& quadratic) const;
  bool worth(double gain, double residual) const;
  void agree(std::span<double> numbers) const;
  void note(double residual);
  at::Tensor free_directions() const;
  at::Tensor visible_change(std::int64_t group) const;
  double standard_error() const;
  std::vector<double> normalised(std::vector<double> psi) const;
  std::vector<std::int64_t> with_rows_of_the_ends() const;
  std::vector<std::int64_t> add_random_rows(std::vector<std::int64_t> rows, std::int64_t count) const;

  const ProcessGrid& grid_;
  const NeuronSignals& signals_;
  const FrameChoice& choice_;
  PsiSearchOptions options_;
  WorkLog& log_;
  UniformSplines basis_;
  std::int64_t neurons_, unknowns_;
  std::vector<double> visits_;
  at::Tensor roughness_;  ///< (unknowns x unknowns)

  PsiSearchState& s_;
  std::optional<PsiProblem> problem_;  ///< of the present part
};

Search::Search(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& choice,
               const PsiSearchOptions& options, PsiSearchState& state, WorkLog& log)
    : grid_(grid),
      signals_(signals),
      choice_(choice),
      options_(options),
      log_(log),
      basis_(options.psi_splines),
      neurons_(signals.partition.rows()),
      unknowns_(signals.groups * options.psi_splines),
      visits_(visits(grid.rows(), signals)),
      roughness_(at::zeros({unknowns_, unknowns_}, at::kDouble)),
      s_(state) {
  const std::int64_t splines = options.psi_splines;
  const at::Tensor one = tensor_of(basis_.roughness(signals.axis)).view({splines, splines});
  for (std::int64_t first = 0; first < unknowns_; first += splines)
    roughness_.narrow(0, first, splines).narrow(1, first, splines).copy_(one);
}

void Search::pose() {
  problem_.reset();  // before the next one takes as much memory
  problem_.emplace(grid_, signals_, s_.rows, sample_frames(choice_, s_.frames, options_.seed),
                   options_.psi_splines, options_.phi_splines, options_.form, log_);
}

Search::Quadratic Search::quadratic_at(const Point& point, const PsiEvaluation& evaluation) const {
  const auto [matrix, gradient] = problem_->linearise(evaluation);
  const double mean = matrix.trace().item<double>() / static_cast<double>(unknowns_);
  const at::Tensor penalty = kRoughness * mean * roughness_;
  return {matrix + penalty, gradient - penalty.matmul(tensor_of(point.psi).unsqueeze(1)),
          matrix.diagonal().diag() + 1e-9 * mean * at::eye(unknowns_, at::kDouble)};
}

std::vector<double> Search::step_from(const Point& point, const Quadratic& quadratic) const {
  const at::Tensor step =
      at::linalg_solve(quadratic.matrix + s_.damping * quadratic.damping, quadratic.gradient).squeeze(1);
  return vector_of(tensor_of(point.psi) + step);
}

/// The relative fall of the squared residual that a step from the best point promises.
double Search::predicted_gain(const std::vector<double>& to, const Quadratic& quadratic) const {
  const at::Tensor step = tensor_of(to) - tensor_of(s_.best.psi);
  return (step * quadratic.gradient.squeeze(1)).sum().item<double>() /
         (s_.best.residual * s_.best.residual * problem_->total_squares());
}

/// Whether a relative fall of the squared residual is more than noise, and more than a small part of a tiny
/// residual.
bool Search::worth(double gain, double residual) const {
  if (gain * problem_->degrees_of_freedom() < 0.5 * static_cast<double>(unknowns_)) return false;
  return residual >= kFloor || gain >= kSmallGain;
}

/// Rank 0's numbers on every rank: they come out of small dense algebra that all do alike, but whose last
/// bits depend on a rank's threads and instructions, and what follows from them must be the same everywhere.
/// @collective
void Search::agree(std::span<double> numbers) const { grid_.world().broadcast(numbers, 0).wait(); }

void Search::note(double residual) {
  s_.result.residuals.push_back(residual);
  s_.result.dampings.push_back(s_.damping);
  log_.measured({{"solver_iteration", "", static_cast<double>(s_.result.residuals.size())},
                 {"residual_ratio", "", residual}});
  log_.say(fmt::format("psi iteration {}: residual {:.2e}, damping {:.0e}", s_.result.residuals.size(),
                       residual, s_.damping));
}

/// One step of Gauss and Newton with Levenberg and Marquardt's damping: evaluates the next psi and finds the
/// one after it; a rejected step is retried shorter from the best point. False where the part ends: nothing
/// is left to gain, or its residual is fine enough.
bool Search::advance_in_part() {
  PsiEvaluation evaluation = problem_->evaluate(s_.next);
  agree(std::span(&evaluation.residual, 1));
  note(evaluation.residual);
  const double before = s_.best.residual;
  const double change = std::abs(before * before / (evaluation.residual * evaluation.residual) - 1);
  const bool improved = evaluation.residual < before;
  if (improved)
    s_.best = {s_.next, evaluation.residual, vector_of(evaluation.phi), vector_of(evaluation.metric)};
  const bool settled = std::isfinite(before) && !worth(change, evaluation.residual);
  // Where so little is left, a step that fails does so by rounding.
  const bool exhausted = !improved && (s_.damping > kMostDamping || s_.best.residual < kFine);
  if (settled || exhausted || s_.steps == kMostSteps) {
    s_.next = s_.best.psi;
    return false;
  }
  if (improved) {
    s_.quadratic = quadratic_at(s_.best, evaluation);
    s_.damping = std::max(s_.damping / 10, 1e-9);
  } else {
    s_.damping *= 30;
    ++s_.result.rejected_steps;
  }
  std::vector<double> next = step_from(s_.best, s_.quadratic);
  double gain = predicted_gain(next, s_.quadratic);
  agree(next);
  agree(std::span(&gain, 1));
  const bool last = improved && !worth(gain, s_.best.residual);
  s_.next = normalised(std::move(next));
  ++s_.steps;
  // A step that promises little is taken on trust: another look would cost more than it could tell.
  return !last && s_.best.residual >= kEnough[static_cast<std::size_t>(s_.part)];
}

/// Each group of mean 0 and variance 1 over the data, and increasing on the whole: what W and phi can make up
/// for.
std::vector<double> Search::normalised(std::vector<double> psi) const {
  for (std::int64_t g = 0; g < signals_.groups; ++g) {
    const std::span<double> c(psi.data() + g * options_.psi_splines,
                              static_cast<std::size_t>(options_.psi_splines));
    const double* const weight = visits_.data() + g * kBins;
    std::vector<double> value(kBins);
    double mean = 0, variance = 0, slope = 0;
    for (std::int64_t b = 0; b < kBins; ++b) {
      value[static_cast<std::size_t>(b)] = basis_.value(c, (static_cast<double>(b) + 0.5) / kBins);
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

std::vector<std::int64_t> Search::add_random_rows(std::vector<std::int64_t> rows, std::int64_t count) const {
  const Philox random(options_.seed, RandomStream::training_frames);
  count = std::min(count, neurons_);
  for (std::uint64_t k = 0; std::ssize(rows) < count; ++k) {
    const auto row = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(neurons_), 1, k));
    if (std::ranges::find(rows, row) == rows.end()) rows.push_back(row);
  }
  return rows;
}

/// The present rows, and half as many again as the search began with for each end of psi.
std::vector<std::int64_t> Search::with_rows_of_the_ends() const {
  std::vector<std::int64_t> rows = problem_->rows();
  const auto ends = problem_->rows_that_hear_the_ends(std::max<std::int64_t>(2, options_.rows / 2));
  rows.insert(rows.end(), ends.begin(), ends.end());
  return rows;
}

/// What W and phi make up for, offset and scale of each group: unit vectors, (2 groups x unknowns).
at::Tensor Search::free_directions() const {
  const std::int64_t splines = options_.psi_splines;
  const at::Tensor psi = tensor_of(s_.best.psi).view({-1, splines});
  at::Tensor directions = at::zeros({2 * signals_.groups, unknowns_}, at::kDouble);
  for (std::int64_t g = 0; g < signals_.groups; ++g) {
    const at::Tensor deviation = psi[g] - psi[g].mean();
    directions[2 * g].narrow(0, g * splines, splines).fill_(1 / std::sqrt(static_cast<double>(splines)));
    directions[2 * g + 1]
        .narrow(0, g * splines, splines)
        .copy_(deviation / deviation.norm().clamp_min(1e-300));
  }
  return directions;
}

/// (splines x splines): the mean square over a group's data, as a quadratic form, of a change of its psi but
/// for what of it is an offset or a scale.
at::Tensor Search::visible_change(std::int64_t group) const {
  const std::int64_t splines = options_.psi_splines;
  at::Tensor change = at::zeros({kBins, splines}, at::kDouble);
  for (std::int64_t b = 0; b < kBins; ++b) {
    const auto local = basis_.at((static_cast<double>(b) + 0.5) / kBins);
    std::copy_n(local.value, 4, change.mutable_data_ptr<double>() + b * splines + local.first);
  }
  const at::Tensor visits = tensor_of(visits_).narrow(0, group * kBins, kBins).unsqueeze(1);
  const auto off = [&](const at::Tensor& direction) {
    const at::Tensor along = (direction * visits).t().matmul(change);
    change = change - direction.matmul(along) / (direction.square() * visits).sum();
  };
  const at::Tensor psi =
      change.matmul(tensor_of(s_.best.psi).narrow(0, group * splines, splines).unsqueeze(1));
  off(at::ones({kBins, 1}, at::kDouble));
  off(psi - (psi * visits).sum());
  return change.t().matmul(change * visits);
}

double Search::standard_error() const {
  const double mean = s_.quadratic.matrix.trace().item<double>() / static_cast<double>(unknowns_);
  const at::Tensor free = free_directions();
  const double variance =
      s_.best.residual * s_.best.residual * problem_->total_squares() / problem_->degrees_of_freedom();
  const at::Tensor held = s_.quadratic.matrix + mean * free.t().matmul(free);
  const at::Tensor covariance = variance * at::linalg_pinv(held, kRankCut, /*hermitian=*/true);
  double largest = 0;
  for (std::int64_t g = 0; g < signals_.groups; ++g) {
    const std::int64_t first = g * options_.psi_splines;
    const at::Tensor own =
        covariance.narrow(0, first, options_.psi_splines).narrow(1, first, options_.psi_splines);
    largest = std::max(largest, (own * visible_change(g)).sum().item<double>());
  }
  return std::sqrt(largest);
}

void Search::begin() {
  // The coordinate itself: the coefficients of a straight line are equally spaced.
  s_.next.resize(static_cast<std::size_t>(unknowns_));
  for (std::size_t k = 0; k < s_.next.size(); ++k)
    s_.next[k] = static_cast<double>(k % static_cast<std::size_t>(options_.psi_splines));
  s_.next = normalised(std::move(s_.next));
  s_.rows = add_random_rows({}, options_.rows);
  s_.frames = psi_search_frames(neurons_, signals_.groups, options_);
}

/// Says what the next part is about.
void Search::end_part() {
  if (s_.part == 0) s_.rows = with_rows_of_the_ends();
  if (s_.part == 1) {
    const std::int64_t more = s_.best.residual > kNoisy ? options_.noisy_rows : options_.last_rows;
    s_.rows = add_random_rows(with_rows_of_the_ends(), more);
    s_.frames = many_frames(options_, more, neurons_, signals_.groups);
  }
  if (++s_.part == PsiSearchState::kParts) return end_search();
  s_.steps = 0;
  s_.best = {};
}

void Search::end_search() {
  PsiSearchResult& result = s_.result;
  result.psi = s_.next;
  result.rows = s_.rows;
  result.phi = s_.best.phi;
  result.metric = s_.best.metric;
  result.total_squares = problem_->total_squares();
  result.residual_squares = s_.best.residual * s_.best.residual * problem_->total_squares();
  result.degrees_of_freedom = problem_->degrees_of_freedom();
  result.frames = problem_->frames();
  result.psi_error = standard_error();
  agree(std::span(&result.psi_error, 1));
}

void Search::run(const BetweenSteps& between) {
  if (s_.rows.empty()) begin();
  while (s_.part < PsiSearchState::kParts) {
    pose();
    while (advance_in_part()) between();
    end_part();
    between();
  }
}

}  // namespace

std::int64_t psi_search_frames(std::int64_t neurons, std::int64_t groups, const PsiSearchOptions& options) {
  const auto n = static_cast<double>(neurons);
  const auto cheap = static_cast<std::int64_t>(std::min(4 * n, kCheapGram / (n * n)));
  // 8 rows then leave 16 residuals for each unknown of psi.
  const std::int64_t spare = std::max({neurons / 4, kFewestSpareFrames, 2 * groups * options.psi_splines});
  return std::max(neurons + options.phi_splines + spare, cheap);
}

std::int64_t last_search_frames(std::int64_t neurons, std::int64_t groups, const PsiSearchOptions& options) {
  return many_frames(options, options.last_rows, neurons, groups);
}

double psi_step_flops(const ProcessGrid& grid, const NeuronSignals& signals,
                      const PsiSearchOptions& options) {
  const auto n = static_cast<double>(signals.partition.rows());
  const auto frames =
      static_cast<double>(psi_search_frames(signals.partition.rows(), signals.groups, options));
  const double columns = 1.5 * static_cast<double>(options.rows) *
                         static_cast<double>(1 + options.phi_splines + signals.groups * options.psi_splines);
  return (n * n * frames + n * n * n / 3 + 8 * n * columns * (frames + n)) / grid.world().size();
}

double PsiSearchResult::residual() const { return std::sqrt(residual_squares / total_squares); }

void find_psi(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& frames,
              const PsiSearchOptions& options, PsiSearchState& state, const BetweenSteps& between,
              WorkLog& log) {
  Search(grid, signals, frames, options, state, log).run(between);
}

}  // namespace weft
