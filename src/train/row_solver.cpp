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

#include "weft/train/column_scaling.hpp"
#include "weft/train/gram_factor.hpp"
#include "weft/train/gram_matrix.hpp"
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
  RowSolver(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& frames,
            const GivenPsi& psi, const PhiShapes& shapes, const EquationForm& form, WorkLog& log)
      : grid_(grid),
        signals_(signals),
        frames_(frames),
        psi_(psi),
        shapes_(shapes),
        form_(form),
        numbers_(at::TensorOptions(form.type).device(signals.device)),
        sums_(numbers_.dtype(at::kDouble)),
        log_(log),
        neurons_(signals.partition.rows()),
        rows_(signals.rows()),
        own_frames_(replica_share(grid, frames.fit)) {}

  RowSolution run();

 private:
  using Chunk = std::span<const std::int64_t>;

  std::vector<Chunk> chunks(Chunk frames) const;
  std::span<const double> shape(std::int64_t a) const {
    return std::span(shapes_.coefficients)
        .subspan(static_cast<std::size_t>(a * shapes_.splines), static_cast<std::size_t>(shapes_.splines));
  }
  void find_means();
  Block load(Chunk frames) const;
  void accumulate();
  void factor();
  void solve_in_place(at::Tensor& right) const;
  void eliminate_shapes();
  void correct(at::Tensor right, const at::Tensor& shape_right);
  at::Tensor remainder(const Block& block) const;
  double refine();
  void refine_enough();
  void measure();
  void validate();
  void find_resolution(const std::vector<double>& scale, const std::vector<double>& inverse);
  void unscale();
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
  WorkLog& log_;
  std::int64_t neurons_, rows_;
  Chunk own_frames_;

  ColumnScaling scaling_;
  std::vector<ColumnScaling> shape_means_;
  ColumnScaling y_mean_;
  at::Tensor gram_;
  std::unique_ptr<GramFactor> factor_;
  at::Tensor shape_right_;                  ///< C, (shapes rows x N): each own neuron's shapes times Psi
  at::Tensor shape_solved_;                 ///< Z = C G^-1
  at::Tensor shape_products_, shape_data_;  ///< (rows x shapes x shapes) and (rows x shapes), of the data
  at::Tensor schur_inverse_;                ///< (rows x shapes x shapes)
  at::Tensor weights_;                      ///< (rows x N), in units of the scaled Psi
  at::Tensor shape_weight_;                 ///< (rows x shapes) float64
  double total_squares_ = 0;                ///< of all y
  at::Tensor row_squares_;                  ///< (rows) of y
  RowSolution result_;
};

std::vector<RowSolver::Chunk> RowSolver::chunks(Chunk frames) const {
  const auto most = static_cast<std::size_t>(row_solver_chunk(neurons_));
  std::vector<Chunk> list;
  for (std::size_t first = 0; first < frames.size(); first += most)
    list.push_back(frames.subspan(first, std::min(most, frames.size() - first)));
  return list;
}

void RowSolver::find_means() {
  log_.phase("rows: splines", 0, [&] {
    ColumnMoments psi, y;
    std::vector<ColumnMoments> shapes(static_cast<std::size_t>(shapes_.count()));
    for (const Chunk frames : chunks(own_frames_)) {
      psi.add(signals_.psi_values(frames, psi_.coefficients, form_));
      y.add(signals_.derivative_values(frames, form_));
      for (std::int64_t a = 0; a < shapes_.count(); ++a)
        shapes[static_cast<std::size_t>(a)].add(signals_.shape_values(frames, shape(a), form_));
    }
    scaling_ = scale_columns(grid_, signals_.partition, std::move(psi));
    const auto centre = [&](ColumnMoments moments) {
      ColumnScaling scaling = scale_columns(grid_, signals_.partition, std::move(moments));
      std::ranges::fill(scaling.scale, 1);
      return scaling;
    };
    y_mean_ = centre(std::move(y));
    for (ColumnMoments& moments : shapes) shape_means_.push_back(centre(std::move(moments)));
  });
}

Block RowSolver::load(Chunk frames) const {
  Block block;
  at::Tensor own = signals_.psi_values(frames, psi_.coefficients, form_);
  scaling_.apply(own);
  block.psi = gather_columns(grid_.rows(), signals_.partition, std::move(own));
  for (std::int64_t a = 0; a < shapes_.count(); ++a) {
    block.shapes.push_back(signals_.shape_values(frames, shape(a), form_));
    shape_means_[static_cast<std::size_t>(a)].apply(block.shapes.back());
  }
  block.y = signals_.derivative_values(frames, form_);
  y_mean_.apply(block.y);
  return block;
}

/// G, Psi' Y and Psi' L_a over all frames.
void RowSolver::accumulate() {
  const std::int64_t m = shapes_.count();
  GramMatrix gram(grid_, signals_.partition, numbers_);
  weights_ = at::zeros({rows_, neurons_}, numbers_);
  shape_right_ = at::zeros({m * rows_, neurons_}, numbers_);
  shape_products_ = at::zeros({rows_, m, m}, sums_);
  shape_data_ = at::zeros({rows_, m}, sums_);
  row_squares_ = at::zeros({rows_}, sums_);
  for (const Chunk frames : chunks(own_frames_)) {
    const Block block = log_.phase("rows: splines", 0, [&] { return load(frames); });
    log_.phase("rows: Gram matrix", gram.flops(std::ssize(frames)), [&] {
      const RoundedProducts rounded(form_.tf32);
      gram.add(block.psi);
    });
    log_.phase("rows: right-hand sides", static_cast<double>(1 + m) * products_flops(frames), [&] {
      const RoundedProducts rounded(form_.tf32);
      add_transposed_product(block.y, block.psi, weights_);
      if (m > 0) add_transposed_product(at::cat(block.shapes, 1), block.psi, shape_right_);
    });
    log_.phase("rows: shapes", 0, [&] {
      row_squares_.add_(column_dots(block.y, block.y));
      for (std::int64_t a = 0; a < m; ++a) {
        const at::Tensor& la = block.shapes[static_cast<std::size_t>(a)];
        shape_data_.select(1, a).add_(column_dots(la, block.y));
        for (std::int64_t b = 0; b < m; ++b)
          shape_products_.select(1, a).select(1, b).add_(
              column_dots(la, block.shapes[static_cast<std::size_t>(b)]));
      }
    });
  }
  log_.phase("rows: communication", 0, [&] {
    for (at::Tensor* const sum : {&weights_, &shape_right_, &shape_products_, &shape_data_, &row_squares_})
      sum_over(grid_.replicas(), *sum);
    total_squares_ = sum_over(grid_.rows(), row_squares_.sum().item<double>());
    gram_ = gram.take();
  });
}

void RowSolver::factor() {
  factor_ = log_.phase("rows: Cholesky", factor_flops(neurons_, grid_.world().size()),
                       [&] { return factor_gram(grid_.world(), std::move(gram_)); });
  gram_ = at::Tensor();
  if (factor_ == nullptr)
    throw NumericalBreakdown("the Gram matrix of psi(x) over all frames is not positive definite");
  const std::vector<double> pivots = factor_->pivots();
  const auto [low, high] = std::ranges::minmax(pivots);
  const auto frames = static_cast<double>(std::ssize(frames_.fit));
  result_.smallest_pivot = low / frames;
  result_.largest_pivot = high / frames;
  result_.weak_directions =
      std::ranges::count_if(pivots, [&](double pivot) { return pivot < kWeakPivot * frames; });
}

/// right := right G^-1, (any number x N); replicas, which hold the same rows, share them out.
void RowSolver::solve_in_place(at::Tensor& right) const {
  const std::int64_t ranks = grid_.replicas().size();
  const auto begin = [&](std::int64_t rank) { return right.size(0) * rank / ranks; };
  const std::int64_t first = begin(grid_.replica());
  at::Tensor own = right.narrow(0, first, begin(grid_.replica() + 1) - first);
  log_.phase("rows: solves", factor_->solve_flops(own.size(0)), [&] { factor_->solve(own); });
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    at::Tensor solved = right.narrow(0, begin(rank), begin(rank + 1) - begin(rank));
    broadcast(grid_.replicas(), solved, static_cast<int>(rank));
  }
}

/// S_i = L'L - C_i Z_i, inverted.
void RowSolver::eliminate_shapes() {
  const std::int64_t m = shapes_.count();
  shape_solved_ = shape_right_.clone();
  solve_in_place(shape_solved_);
  at::Tensor schur = shape_products_.clone();
  for (std::int64_t a = 0; a < m; ++a)
    for (std::int64_t b = 0; b < m; ++b)
      schur.select(1, a).select(1, b).sub_(
          row_dots(shape_right_.narrow(0, a * rows_, rows_), shape_solved_.narrow(0, b * rows_, rows_)));
  shape_right_ = at::Tensor();
  schur = (schur + schur.transpose(1, 2)).cpu() / 2;
  schur_inverse_ = at::linalg_pinv(schur, kSchurCut, /*hermitian=*/true).to(sums_);
  shape_weight_ = at::zeros({rows_, m}, sums_);
}

/// Adds to W and the shapes' weights what solves for these right-hand sides: (rows x N) of Psi, (rows x
/// shapes). The first of them gives W itself.
void RowSolver::correct(at::Tensor right, const at::Tensor& shape_right) {
  const std::int64_t m = shapes_.count();
  at::Tensor reduced = shape_right.clone();
  for (std::int64_t a = 0; a < m; ++a)
    reduced.select(1, a).sub_(row_dots(shape_solved_.narrow(0, a * rows_, rows_), right));
  const at::Tensor step = at::bmm(schur_inverse_, reduced.unsqueeze(2)).squeeze(2);
  solve_in_place(right);
  for (std::int64_t a = 0; a < m; ++a)
    right.addcmul_(shape_solved_.narrow(0, a * rows_, rows_), step.select(1, a).to(form_.type).unsqueeze(1),
                   -1);
  if (!right.is_same(weights_)) weights_.add_(right);
  shape_weight_.add_(step);
}

/// y - W psi - d L of own rows, (frames x rows).
at::Tensor RowSolver::remainder(const Block& block) const {
  at::Tensor rest = block.y.clone();
  std::int64_t first = 0;
  for (const at::Tensor& psi : block.psi) {
    rest.addmm_(psi, weights_.narrow(1, first, psi.size(1)).t(), 1, -1);
    first += psi.size(1);
  }
  for (std::int64_t a = 0; a < shapes_.count(); ++a)
    rest.addcmul_(block.shapes[static_cast<std::size_t>(a)],
                  shape_weight_.select(1, a).to(form_.type).unsqueeze(0), -1);
  return rest;
}

/// Solves again for what is left of the data. Returns the change of W relative to W.
double RowSolver::refine() {
  const std::int64_t m = shapes_.count();
  at::Tensor right = at::zeros({rows_, neurons_}, numbers_);
  at::Tensor shape_right = at::zeros({rows_, m}, sums_);
  double squares = 0;
  for (const Chunk frames : chunks(own_frames_)) {
    const Block block = log_.phase("rows: splines", 0, [&] { return load(frames); });
    log_.phase("rows: refinement", 2 * products_flops(frames), [&] {
      const at::Tensor rest = remainder(block);
      squares += squares_of(rest);
      add_transposed_product(rest, block.psi, right);
      for (std::int64_t a = 0; a < m; ++a)
        shape_right.select(1, a).add_(column_dots(block.shapes[static_cast<std::size_t>(a)], rest));
    });
  }
  result_.residuals.push_back(std::sqrt(sum_over_grid(squares) / total_squares_));
  log_.phase("rows: communication", 0, [&] {
    sum_over(grid_.replicas(), right);
    sum_over(grid_.replicas(), shape_right);
  });
  const double before = sum_over(grid_.rows(), squares_of(weights_));
  correct(right, shape_right);
  const double change = sum_over(grid_.rows(), squares_of(right));
  return std::sqrt(change / before);
}

void RowSolver::refine_enough() {
  double previous = 1;
  for (int round = 1; round <= kMostRefinements; ++round) {
    const double change = refine();
    log_.say(fmt::format("rows: residual {:.2e} before refinement {}, which changed W by {:.1e}",
                         result_.residuals.back(), round, change));
    if (!(change < kWorstContraction * previous)) {
      throw NumericalBreakdown(fmt::format(
          "refinement {} of the rows changed W by {:.2g} of itself, after {:.2g}", round, change, previous));
    }
    if (change * change / previous < kRefinedEnough) return;
    previous = change;
  }
  if (previous < kNearlyRefined) return;
  throw NumericalBreakdown(
      fmt::format("the last of {} refinements of the rows still changed W by {:.2g} of itself",
                  kMostRefinements, previous));
}

/// The residual of each row, from a part of the frames where there are many.
void RowSolver::measure() {
  const std::int64_t frames_in_all = std::ssize(frames_.fit);
  const Frames some = measured_frames(frames_.fit);
  at::Tensor squares = at::zeros({rows_}, sums_);
  std::array<double, 3> sums{};  // frames, squares of frames with a neighbour, products with it
  for (const Chunk frames : chunks(replica_share(grid_, some))) {
    const Block block = log_.phase("rows: splines", 0, [&] { return load(frames); });
    log_.phase("rows: residual", products_flops(frames), [&] {
      const at::Tensor rest = remainder(block);
      squares.add_(column_dots(rest, rest));
      sums[0] += static_cast<double>(rest.size(0));
      const at::Tensor later = rest.narrow(0, 1, rest.size(0) - 1);
      sums[1] += squares_of(later);
      sums[2] += products_of(later, rest.narrow(0, 0, rest.size(0) - 1));
    });
  }
  sum_over(grid_.replicas(), squares);
  const double measured = sum_over(grid_.replicas(), sums[0]);
  const double own_squares = sum_over(grid_.world(), sums[1]);
  const double products = sum_over(grid_.world(), sums[2]);
  result_.residual_autocorrelation = form_.differenced || own_squares == 0 ? 0 : products / own_squares;

  const at::Tensor mean_squares = squares / measured;
  const auto fitted = static_cast<double>(frames_in_all);
  const double freedom = std::max(1.0, fitted - static_cast<double>(neurons_ + shapes_.count() + 1));
  result_.deviation = vector_of((mean_squares * (fitted / freedom)).sqrt());
  result_.residual = vector_of((mean_squares / (row_squares_ / fitted).clamp_min(1e-300)).sqrt());
  result_.residuals.push_back(
      std::sqrt(sum_over(grid_.rows(), mean_squares.sum().item<double>()) * fitted / total_squares_));
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
    const double added = factor_->ridge() + frames * errors;
    sum += std::clamp(1 - added * inverse[j], 0.0, 1.0);
    ++heard;
  }
  result_.resolution = heard > 0 ? sum / heard : 0;
}

/// W in the units of psi as given, and the constants, from the means of the series as they are.
void RowSolver::unscale() {
  const std::vector<double> scale = gather_blocks(grid_.rows(), scaling_.scale, signals_.partition.sizes());
  weights_.mul_(tensor_of(scale).to(numbers_));

  const std::vector<double> inverse =
      log_.phase("rows: error bars", factor_flops(neurons_, grid_.world().size()),
                 [&] { return factor_->inverse_diagonal(); });
  find_resolution(scale, inverse);
  for (std::size_t j = 0; j < scale.size(); ++j) {
    result_.column_error.push_back(scale[j] > 0 ? scale[j] * std::sqrt(std::max(0.0, inverse[j]))
                                                : std::numeric_limits<double>::infinity());
  }
  factor_.reset();

  if (form_.differenced) {
    form_.differenced = false;
    shape_means_.clear();
    find_means();
  }
  const std::vector<double> mean = gather_blocks(grid_.rows(), scaling_.mean, signals_.partition.sizes());
  at::Tensor constant = tensor_of(y_mean_.mean).to(sums_);
  const at::Tensor psi_mean = tensor_of(mean).to(sums_);
  for (std::int64_t first = 0; first < rows_; first += kPanel) {
    const std::int64_t count = std::min(kPanel, rows_ - first);
    constant.narrow(0, first, count).sub_(weights_.narrow(0, first, count).to(at::kDouble).matmul(psi_mean));
  }
  for (std::int64_t a = 0; a < shapes_.count(); ++a)
    constant.sub_(shape_weight_.select(1, a) *
                  tensor_of(shape_means_[static_cast<std::size_t>(a)].mean).to(sums_));
  result_.constant = vector_of(constant);
}

/// Predicts the frames that were held out.
void RowSolver::validate() {
  const Chunk own = replica_share(grid_, frames_.held_out);
  std::array<double, 2> sums{};
  ColumnScaling as_it_is{std::vector<double>(static_cast<std::size_t>(rows_), 0),
                         std::vector<double>(static_cast<std::size_t>(rows_), 1), 0};
  scaling_ = as_it_is;
  for (ColumnScaling& scaling : shape_means_) scaling = as_it_is;
  ColumnScaling mean = std::exchange(y_mean_, as_it_is);
  for (const Chunk frames : chunks(own)) {
    const Block block = log_.phase("rows: splines", 0, [&] { return load(frames); });
    log_.phase("rows: residual", products_flops(frames), [&] {
      const at::Tensor rest = remainder(block) - tensor_of(result_.constant).to(numbers_);
      at::Tensor deviation = block.y.clone();
      mean.apply(deviation);
      sums[0] += squares_of(rest);
      sums[1] += squares_of(deviation);
    });
  }
  const double left = sum_over_grid(sums[0]);
  const double all = sum_over_grid(sums[1]);
  if (all > 0) result_.validation_r2 = 1 - left / all;
}

RowSolution RowSolver::run() {
  find_means();
  result_.silent_columns = scaling_.silent;
  accumulate();
  factor();
  eliminate_shapes();
  correct(weights_, shape_data_);
  refine_enough();
  measure();
  shape_solved_ = at::Tensor();
  unscale();
  validate();
  result_.weights = std::exchange(weights_, {}).cpu();
  result_.shape_weight = vector_of(shape_weight_);
  return std::move(result_);
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

RowSolution solve_rows(const ProcessGrid& grid, const NeuronSignals& signals, const FrameChoice& frames,
                       const GivenPsi& psi, const PhiShapes& shapes, const EquationForm& form, WorkLog& log) {
  return RowSolver(grid, signals, frames, psi, shapes, form, log).run();
}

}  // namespace weft
