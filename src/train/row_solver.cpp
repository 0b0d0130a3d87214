#include "weft/train/row_solver.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/zeros.h>

#include "weft/train/numerical_breakdown.hpp"

#include "train/rounded_products.hpp"
#include "train/tensor_sums.hpp"
#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

constexpr double kSchurCut = 1e-7;
constexpr double kWorstContraction = 0.3;
constexpr double kRefinedEnough = 1e-5;
constexpr double kNearlyRefined = 1e-3;
constexpr int kMostRefinements = 4;
constexpr double kWeakPivot = 1e-4;
constexpr std::int64_t kChunkNumbers = std::int64_t{1} << 24;
constexpr std::int64_t kPanel = 1024;
// Frames that the last look at the residual takes, at least, and one in so many.
constexpr std::int64_t kMeasuredFrames = 4096;
constexpr std::int64_t kMeasuredShare = 6;
constexpr std::int64_t kMeasuredRun = 128;

/// Every k-th run of frames, so that neighbours stay together: all of few frames, a part of many.
Frames measured_frames(const Frames& fit) {
  const std::int64_t wanted = std::max(kMeasuredFrames, std::ssize(fit) / kMeasuredShare);
  const std::int64_t every = std::max<std::int64_t>(1, std::ssize(fit) / wanted);
  Frames some;
  for (std::int64_t k = 0; k < std::ssize(fit); ++k)
    if (k / kMeasuredRun % every == 0) some.push_back(fit[static_cast<std::size_t>(k)]);
  return some;
}

/// Some frames of the problem, centred and scaled.
struct Block {
  ColumnBlocks psi;                ///< all columns
  std::vector<at::Tensor> shapes;  ///< of own neurons, (frames x rows) each
  at::Tensor y;                    ///< of own neurons, (frames x rows)
};

class RowSolver {
 public:
  RowSolver(const ProcessGrid& grid, const RowProblem& problem, RowState& state, const BetweenSteps& between,
            WorkLog& log)
      : grid_(grid),
        signals_(problem.signals),
        frames_(problem.frames),
        psi_(problem.psi),
        shapes_(problem.shapes),
        form_(problem.form),
        numbers_(at::TensorOptions(form_.type).device(signals_.device)),
        sums_(numbers_.dtype(at::kDouble)),
        between_(between),
        log_(log),
        neurons_(signals_.partition.rows()),
        rows_(signals_.rows()),
        chunk_(problem.chunk > 0 ? problem.chunk : row_solver_chunk(neurons_)),
        s_(state) {}

  void run();

 private:
  using Chunk = std::span<const std::int64_t>;

  template <typename Work>
  void over_chunks(const Frames& frames, std::int64_t& done, Work work) const;
  std::int64_t& kept_cursor();
  std::span<const double> shape(std::int64_t a) const {
    return std::span(shapes_.coefficients)
        .subspan(static_cast<std::size_t>(a * shapes_.splines), static_cast<std::size_t>(shapes_.splines));
  }
  void begin();
  void take_up();
  SeriesScaling find_scaling(const EquationForm& form) const;
  Block load(Chunk frames, const SeriesScaling& scaling) const;
  void clear_sums();
  void add(Chunk frames);
  void accumulate();
  void factor();
  void solve_in_place(at::Tensor& right) const;
  void eliminate_shapes();
  void correct(at::Tensor right, const at::Tensor& shape_right);
  void solve_first();
  at::Tensor remainder(const Block& block) const;
  void add_remainder(Chunk frames);
  double refine();
  void refine_enough();
  void measure();
  void validate();
  void find_resolution(const std::vector<double>& scale, const std::vector<double>& inverse);
  void unscale(SeriesScaling plain);
  void finish();
  double products_flops(Chunk frames) const {
    return 2.0 * static_cast<double>(std::ssize(frames)) * static_cast<double>(neurons_ * rows_);
  }
  double sum_over_grid(double value) const { return sum_over(grid_.world(), value); }

  const ProcessGrid& grid_;
  const NeuronSignals& signals_;
  const FrameChoice& frames_;
  GivenPsi psi_;
  const PhiShapes& shapes_;
  EquationForm form_;
  at::TensorOptions numbers_, sums_;  ///< sums in double precision
  const BetweenSteps& between_;
  WorkLog& log_;
  std::int64_t neurons_, rows_, chunk_;
  RowState& s_;
  std::int64_t lost_cursor_ = 0;
};

/// Calls `work` on one chunk of this rank's frames after the other, from `done` on, which it keeps up to
/// date.
template <typename Work>
void RowSolver::over_chunks(const Frames& frames, std::int64_t& done, Work work) const {
  const Chunk own = replica_share(grid_, frames);
  // Replicas may have a frame more or less, but all of them come to each pause.
  const std::int64_t ranks = grid_.replicas().size();
  const std::int64_t most = (std::ssize(frames) + ranks - 1) / ranks;
  while (done < most) {
    const std::int64_t count = std::min(chunk_, std::ssize(own) - done);
    if (count > 0) work(own.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count)));
    done += chunk_;
    if (done < most) between_();
  }
}

/// How many frames have been added to sums that can be saved. Where replicas share the frames out, no rank
/// has the sums before they are complete.
std::int64_t& RowSolver::kept_cursor() {
  lost_cursor_ = 0;
  return grid_.replicas().size() == 1 ? s_.frames_done : lost_cursor_;
}

SeriesScaling RowSolver::find_scaling(const EquationForm& form) const {
  ColumnMoments psi, y;
  std::vector<ColumnMoments> shapes(static_cast<std::size_t>(shapes_.count()));
  std::int64_t done = 0;
  over_chunks(frames_.fit, done, [&](Chunk frames) {
    log_.phase("rows: splines", 0, [&] {
      psi.add(signals_.psi_values(frames, psi_.coefficients, form));
      y.add(signals_.derivative_values(frames, form));
      for (std::int64_t a = 0; a < shapes_.count(); ++a)
        shapes[static_cast<std::size_t>(a)].add(signals_.shape_values(frames, shape(a), form));
    });
  });
  const auto centre = [&](ColumnMoments moments) {
    ColumnScaling scaling = scale_columns(grid_, signals_.partition, std::move(moments));
    std::ranges::fill(scaling.scale, 1);
    return scaling;
  };
  SeriesScaling scaling{scale_columns(grid_, signals_.partition, std::move(psi)), centre(std::move(y)), {}};
  for (ColumnMoments& moments : shapes) scaling.shapes.push_back(centre(std::move(moments)));
  return scaling;
}

Block RowSolver::load(Chunk frames, const SeriesScaling& scaling) const {
  Block block;
  at::Tensor own = signals_.psi_values(frames, psi_.coefficients, form_);
  scaling.psi.apply(own);
  block.psi = gather_columns(grid_.rows(), signals_.partition, std::move(own));
  for (std::int64_t a = 0; a < shapes_.count(); ++a) {
    block.shapes.push_back(signals_.shape_values(frames, shape(a), form_));
    scaling.shapes[static_cast<std::size_t>(a)].apply(block.shapes.back());
  }
  block.y = signals_.derivative_values(frames, form_);
  scaling.y.apply(block.y);
  return block;
}

void RowSolver::begin() {
  s_.scaling = find_scaling(form_);
  s_.solution.silent_columns = s_.scaling.psi.silent;
  clear_sums();
  s_.stage = RowStage::adding;
}

/// Goes on from a state, which may have been found again: then it is brought to where this rank computes.
void RowSolver::take_up() {
  for (at::Tensor* const values :
       {&s_.matrix, &s_.weights, &s_.shape_right, &s_.shape_products, &s_.shape_data, &s_.row_squares,
        &s_.shape_solved, &s_.schur_inverse, &s_.shape_weight, &s_.right, &s_.shape_rest, &s_.rest_squares}) {
    if (values->defined()) *values = values->to(signals_.device);
  }
  if (grid_.replicas().size() > 1) s_.frames_done = 0;  // the sums are those of one replica
  if (s_.stage == RowStage::adding) {
    if (s_.frames_done == 0) return clear_sums();
    if (!s_.gram)
      s_.gram = std::make_unique<GramMatrix>(grid_, signals_.partition, std::exchange(s_.matrix, {}));
  }
  if ((s_.stage == RowStage::refining || s_.stage == RowStage::refined) && !s_.factor)
    s_.factor = restore_factor(grid_.world(), std::exchange(s_.matrix, {}), s_.ridge);
}

void RowSolver::clear_sums() {
  const std::int64_t m = shapes_.count();
  s_.gram = std::make_unique<GramMatrix>(grid_, signals_.partition, numbers_);
  s_.matrix = at::Tensor();
  s_.weights = at::zeros({rows_, neurons_}, numbers_);
  s_.shape_right = at::zeros({m * rows_, neurons_}, numbers_);
  s_.shape_products = at::zeros({rows_, m, m}, sums_);
  s_.shape_data = at::zeros({rows_, m}, sums_);
  s_.row_squares = at::zeros({rows_}, sums_);
}

void RowSolver::add(Chunk frames) {
  const std::int64_t m = shapes_.count();
  const Block block = log_.phase("rows: splines", 0, [&] { return load(frames, s_.scaling); });
  log_.phase("rows: Gram matrix", s_.gram->flops(std::ssize(frames)), [&] {
    const RoundedProducts rounded(form_.tf32);
    s_.gram->add(block.psi);
  });
  log_.phase("rows: right-hand sides", static_cast<double>(1 + m) * products_flops(frames), [&] {
    const RoundedProducts rounded(form_.tf32);
    add_transposed_product(block.y, block.psi, s_.weights);
    if (m > 0) add_transposed_product(at::cat(block.shapes, 1), block.psi, s_.shape_right);
  });
  log_.phase("rows: shapes", 0, [&] {
    s_.row_squares.add_(column_dots(block.y, block.y));
    for (std::int64_t a = 0; a < m; ++a) {
      const at::Tensor& la = block.shapes[static_cast<std::size_t>(a)];
      s_.shape_data.select(1, a).add_(column_dots(la, block.y));
      for (std::int64_t b = 0; b < m; ++b)
        s_.shape_products.select(1, a).select(1, b).add_(
            column_dots(la, block.shapes[static_cast<std::size_t>(b)]));
    }
  });
}

/// G, Psi' Y and Psi' L_a over all frames.
void RowSolver::accumulate() {
  over_chunks(frames_.fit, kept_cursor(), [&](Chunk frames) { add(frames); });
  log_.phase("rows: communication", 0, [&] {
    for (at::Tensor* const sum :
         {&s_.weights, &s_.shape_right, &s_.shape_products, &s_.shape_data, &s_.row_squares})
      sum_over(grid_.replicas(), *sum);
    s_.total_squares = sum_over(grid_.rows(), s_.row_squares.sum().item<double>());
    s_.matrix = s_.gram->take();
  });
  s_.gram.reset();
  s_.frames_done = 0;
  s_.stage = RowStage::added;
  between_();
}

void RowSolver::factor() {
  s_.factor = log_.phase("rows: Cholesky", factor_flops(neurons_, grid_.world().size()),
                         [&] { return factor_gram(grid_.world(), std::exchange(s_.matrix, {})); });
  if (s_.factor == nullptr)
    throw NumericalBreakdown("the Gram matrix of psi(x) over all frames is not positive definite");
  s_.ridge = s_.factor->ridge();
  const std::vector<double> pivots = s_.factor->pivots();
  const auto [low, high] = std::ranges::minmax(pivots);
  const auto frames = static_cast<double>(std::ssize(frames_.fit));
  s_.solution.smallest_pivot = low / frames;
  s_.solution.largest_pivot = high / frames;
  s_.solution.weak_directions =
      std::ranges::count_if(pivots, [&](double pivot) { return pivot < kWeakPivot * frames; });
}

/// right := right G^-1, (any number x N); replicas, which hold the same rows, share them out.
void RowSolver::solve_in_place(at::Tensor& right) const {
  const std::int64_t ranks = grid_.replicas().size();
  const auto begin = [&](std::int64_t rank) { return right.size(0) * rank / ranks; };
  const std::int64_t first = begin(grid_.replica());
  at::Tensor own = right.narrow(0, first, begin(grid_.replica() + 1) - first);
  log_.phase("rows: solves", s_.factor->solve_flops(own.size(0)), [&] { s_.factor->solve(own); });
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    at::Tensor solved = right.narrow(0, begin(rank), begin(rank + 1) - begin(rank));
    broadcast(grid_.replicas(), solved, static_cast<int>(rank));
  }
}

/// S_i = L'L - C_i Z_i, inverted.
void RowSolver::eliminate_shapes() {
  const std::int64_t m = shapes_.count();
  s_.shape_solved = s_.shape_right.clone();
  solve_in_place(s_.shape_solved);
  at::Tensor schur = std::exchange(s_.shape_products, {});
  for (std::int64_t a = 0; a < m; ++a)
    for (std::int64_t b = 0; b < m; ++b)
      schur.select(1, a).select(1, b).sub_(
          row_dots(s_.shape_right.narrow(0, a * rows_, rows_), s_.shape_solved.narrow(0, b * rows_, rows_)));
  s_.shape_right = at::Tensor();
  schur = (schur + schur.transpose(1, 2)).cpu() / 2;
  s_.schur_inverse = at::linalg_pinv(schur, kSchurCut, /*hermitian=*/true).to(sums_).contiguous();
  s_.shape_weight = at::zeros({rows_, m}, sums_);
}

/// Adds to W and the shapes' weights what solves for these right-hand sides: (rows x N) of Psi, (rows x
/// shapes). The first of them gives W itself.
void RowSolver::correct(at::Tensor right, const at::Tensor& shape_right) {
  const std::int64_t m = shapes_.count();
  at::Tensor reduced = shape_right.clone();
  for (std::int64_t a = 0; a < m; ++a)
    reduced.select(1, a).sub_(row_dots(s_.shape_solved.narrow(0, a * rows_, rows_), right));
  const at::Tensor step = at::bmm(s_.schur_inverse, reduced.unsqueeze(2)).squeeze(2);
  solve_in_place(right);
  for (std::int64_t a = 0; a < m; ++a)
    right.addcmul_(s_.shape_solved.narrow(0, a * rows_, rows_), step.select(1, a).to(form_.type).unsqueeze(1),
                   -1);
  if (!right.is_same(s_.weights)) s_.weights.add_(right);
  s_.shape_weight.add_(step);
}

void RowSolver::solve_first() {
  factor();
  eliminate_shapes();
  correct(s_.weights, std::exchange(s_.shape_data, {}));
  s_.stage = RowStage::refining;
  between_();
}

/// y - W psi - d L of own rows, (frames x rows).
at::Tensor RowSolver::remainder(const Block& block) const {
  at::Tensor rest = block.y.clone();
  std::int64_t first = 0;
  for (const at::Tensor& psi : block.psi) {
    rest.addmm_(psi, s_.weights.narrow(1, first, psi.size(1)).t(), 1, -1);
    first += psi.size(1);
  }
  for (std::int64_t a = 0; a < shapes_.count(); ++a)
    rest.addcmul_(block.shapes[static_cast<std::size_t>(a)],
                  s_.shape_weight.select(1, a).to(form_.type).unsqueeze(0), -1);
  return rest;
}

void RowSolver::add_remainder(Chunk frames) {
  const Block block = log_.phase("rows: splines", 0, [&] { return load(frames, s_.scaling); });
  log_.phase("rows: refinement", 2 * products_flops(frames), [&] {
    const at::Tensor rest = remainder(block);
    s_.rest_squares.add_(column_dots(rest, rest));
    add_transposed_product(rest, block.psi, s_.right);
    for (std::int64_t a = 0; a < shapes_.count(); ++a)
      s_.shape_rest.select(1, a).add_(column_dots(block.shapes[static_cast<std::size_t>(a)], rest));
  });
}

/// Solves again for what is left of the data. Returns the change of W relative to W.
double RowSolver::refine() {
  if (s_.frames_done == 0) {
    s_.right = at::zeros({rows_, neurons_}, numbers_);
    s_.shape_rest = at::zeros({rows_, shapes_.count()}, sums_);
    s_.rest_squares = at::zeros({rows_}, sums_);
  }
  over_chunks(frames_.fit, kept_cursor(), [&](Chunk frames) { add_remainder(frames); });
  s_.frames_done = 0;
  const double squares = sum_over_grid(s_.rest_squares.sum().item<double>());
  s_.solution.residuals.push_back(std::sqrt(squares / s_.total_squares));
  log_.phase("rows: communication", 0, [&] {
    sum_over(grid_.replicas(), s_.right);
    sum_over(grid_.replicas(), s_.shape_rest);
  });
  const double before = sum_over(grid_.rows(), squares_of(s_.weights));
  const at::Tensor right = std::exchange(s_.right, {});
  correct(right, std::exchange(s_.shape_rest, {}));
  const double change = sum_over(grid_.rows(), squares_of(right));
  return std::sqrt(change / before);
}

void RowSolver::refine_enough() {
  while (true) {
    const double previous = s_.change;
    s_.change = refine();
    const std::int64_t round = std::ssize(s_.solution.residuals);
    log_.say(fmt::format("rows: residual {:.2e} before refinement {}, which changed W by {:.1e}",
                         s_.solution.residuals.back(), round, s_.change));
    if (!(s_.change < kWorstContraction * previous)) {
      throw NumericalBreakdown(
          fmt::format("refinement {} of the rows changed W by {:.2g} of itself, after {:.2g}", round,
                      s_.change, previous));
    }
    if (s_.change * s_.change / previous < kRefinedEnough) break;
    if (round == kMostRefinements) {
      if (s_.change < kNearlyRefined) break;
      throw NumericalBreakdown(
          fmt::format("the last of {} refinements of the rows still changed W by {:.2g} of itself",
                      kMostRefinements, s_.change));
    }
    between_();
  }
  s_.shape_solved = s_.schur_inverse = at::Tensor();
  s_.stage = RowStage::refined;
  between_();
}

/// The residual of each row, from a part of the frames where there are many.
void RowSolver::measure() {
  const std::int64_t frames_in_all = std::ssize(frames_.fit);
  at::Tensor squares = at::zeros({rows_}, sums_);
  std::array<double, 3> sums{};  // frames, squares of frames with a neighbour, products with it
  std::int64_t done = 0;
  over_chunks(measured_frames(frames_.fit), done, [&](Chunk frames) {
    const Block block = log_.phase("rows: splines", 0, [&] { return load(frames, s_.scaling); });
    log_.phase("rows: residual", products_flops(frames), [&] {
      const at::Tensor rest = remainder(block);
      squares.add_(column_dots(rest, rest));
      sums[0] += static_cast<double>(rest.size(0));
      const at::Tensor later = rest.narrow(0, 1, rest.size(0) - 1);
      sums[1] += squares_of(later);
      sums[2] += products_of(later, rest.narrow(0, 0, rest.size(0) - 1));
    });
  });
  sum_over(grid_.replicas(), squares);
  const double measured = sum_over(grid_.replicas(), sums[0]);
  const double own_squares = sum_over(grid_.world(), sums[1]);
  const double products = sum_over(grid_.world(), sums[2]);
  RowSolution& result = s_.solution;
  result.residual_autocorrelation = form_.differenced || own_squares == 0 ? 0 : products / own_squares;

  const at::Tensor mean_squares = squares / measured;
  const auto fitted = static_cast<double>(frames_in_all);
  const double freedom = std::max(1.0, fitted - static_cast<double>(neurons_ + shapes_.count() + 1));
  result.deviation = vector_of((mean_squares * (fitted / freedom)).sqrt());
  result.residual = vector_of((mean_squares / (s_.row_squares / fitted).clamp_min(1e-300)).sqrt());
  result.residuals.push_back(
      std::sqrt(sum_over(grid_.rows(), mean_squares.sum().item<double>()) * fitted / s_.total_squares));
}

/// What a ridge on the diagonal takes from W, for the one that was added and for the errors of the columns,
/// which add to the diagonal in the same way: activity is rounded, and psi is not known exactly. `scale` and
/// `inverse`: of all columns.
void RowSolver::find_resolution(const std::vector<double>& scale, const std::vector<double>& inverse) {
  const std::vector<double> rounding = gather_blocks(
      grid_.rows(), signals_.psi_rounding(frames_.fit, psi_.coefficients, form_), signals_.partition.sizes());
  const auto frames = static_cast<double>(std::ssize(frames_.fit));
  double sum = 0, heard = 0;
  for (std::size_t j = 0; j < scale.size(); ++j) {
    if (!(scale[j] > 0)) continue;
    const double errors = rounding[j] * scale[j] * scale[j] + psi_.error * psi_.error;
    const double added = s_.ridge + frames * errors;
    sum += std::clamp(1 - added * inverse[j], 0.0, 1.0);
    ++heard;
  }
  s_.solution.resolution = heard > 0 ? sum / heard : 0;
}

/// W in the units of psi as given, and the constants, from the means of the series as they are.
void RowSolver::unscale(SeriesScaling plain) {
  const std::vector<double> scale =
      gather_blocks(grid_.rows(), s_.scaling.psi.scale, signals_.partition.sizes());
  s_.weights.mul_(tensor_of(scale).to(numbers_));

  const std::vector<double> inverse =
      log_.phase("rows: error bars", factor_flops(neurons_, grid_.world().size()),
                 [&] { return s_.factor->inverse_diagonal(); });
  find_resolution(scale, inverse);
  for (std::size_t j = 0; j < scale.size(); ++j) {
    s_.solution.column_error.push_back(scale[j] > 0 ? scale[j] * std::sqrt(std::max(0.0, inverse[j]))
                                                    : std::numeric_limits<double>::infinity());
  }
  s_.factor.reset();

  const std::vector<double> mean = gather_blocks(grid_.rows(), plain.psi.mean, signals_.partition.sizes());
  at::Tensor constant = tensor_of(plain.y.mean).to(sums_);
  const at::Tensor psi_mean = tensor_of(mean).to(sums_);
  for (std::int64_t first = 0; first < rows_; first += kPanel) {
    const std::int64_t count = std::min(kPanel, rows_ - first);
    constant.narrow(0, first, count)
        .sub_(s_.weights.narrow(0, first, count).to(at::kDouble).matmul(psi_mean));
  }
  for (std::int64_t a = 0; a < shapes_.count(); ++a)
    constant.sub_(s_.shape_weight.select(1, a) *
                  tensor_of(plain.shapes[static_cast<std::size_t>(a)].mean).to(sums_));
  s_.solution.constant = vector_of(constant);
  s_.scaling = std::move(plain);
}

void RowSolver::finish() {
  SeriesScaling plain = s_.scaling;
  if (form_.differenced) plain = find_scaling({false, form_.type});
  measure();
  unscale(std::move(plain));
  s_.stage = RowStage::solved;
  between_();
}

/// Predicts the frames that were held out.
void RowSolver::validate() {
  form_.differenced = false;
  std::array<double, 2> sums{};
  const auto own = static_cast<std::size_t>(rows_);
  const ColumnScaling as_it_is{std::vector<double>(own, 0), std::vector<double>(own, 1), 0};
  const SeriesScaling nothing{as_it_is, as_it_is,
                              std::vector(static_cast<std::size_t>(shapes_.count()), as_it_is)};
  const at::Tensor constant = tensor_of(s_.solution.constant).to(numbers_);
  std::int64_t done = 0;
  over_chunks(frames_.held_out, done, [&](Chunk frames) {
    const Block block = log_.phase("rows: splines", 0, [&] { return load(frames, nothing); });
    log_.phase("rows: residual", products_flops(frames), [&] {
      const at::Tensor rest = remainder(block) - constant;
      at::Tensor deviation = block.y.clone();
      s_.scaling.y.apply(deviation);
      sums[0] += squares_of(rest);
      sums[1] += squares_of(deviation);
    });
  });
  const double left = sum_over_grid(sums[0]);
  const double all = sum_over_grid(sums[1]);
  if (all > 0) s_.solution.validation_r2 = 1 - left / all;
}

void RowSolver::run() {
  if (s_.stage == RowStage::begun) {
    begin();
  } else {
    take_up();
  }
  if (s_.stage == RowStage::adding) accumulate();
  if (s_.stage == RowStage::added) solve_first();
  if (s_.stage == RowStage::refining) refine_enough();
  if (s_.stage == RowStage::refined) finish();
  validate();
  s_.solution.weights = s_.weights.cpu();
  s_.solution.shape_weight = vector_of(s_.shape_weight);
}

}  // namespace

std::int64_t row_solver_chunk(std::int64_t neurons) {
  return std::max<std::int64_t>(64, kChunkNumbers / neurons);
}

double solve_rows_flops(const ProcessGrid& grid, std::int64_t neurons, std::int64_t frames,
                        std::int64_t shapes) {
  const auto n = static_cast<double>(neurons);
  const auto t = static_cast<double>(frames);
  const auto m = static_cast<double>(shapes);
  return (n * n * t * (1 + 2 * (1 + m) + 4 + 0.5) + n * n * n * (2 * (2 + m) + 2.0 / 3)) /
         grid.world().size();
}

void solve_rows(const ProcessGrid& grid, const RowProblem& problem, RowState& state,
                const BetweenSteps& between, WorkLog& log) {
  RowSolver(grid, problem, state, between, log).run();
}

}  // namespace weft
