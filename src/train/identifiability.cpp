#include "weft/train/identifiability.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "weft/core/error.hpp"

#include "train/tensor_sums.hpp"
#include "train/tensor_vectors.hpp"

namespace weft {
namespace {

constexpr std::int64_t kResidualsOfAnUnknown = 4;  // of psi, at least, in the few rows that it is found from
constexpr double kWideMargin = 1.1;                // frames over the fewest
constexpr double kSaturated = 1000;                // standard error of a column over the median one
constexpr double kNoisyDifferences = 0.1;
constexpr double kLargeError = 0.3;  // rms standard error over rms W
constexpr double kDrowned = 0.9;
constexpr double kMisfit = 0.03;  // relative residual that noise alone must explain
constexpr double kWhite = 0.3;    // autocorrelation of a residual that is not noise
constexpr double kStuck = 0.9;    // of the first residual, at the end of the search
constexpr double kWorseRows = 3;  // residual of all rows over that of the sampled ones
constexpr double kUncertainScale = 0.01;
constexpr double kResolved = 0.95;  // share of W that the data determine
constexpr double kUndetermined = 0.5;
constexpr double kOverfit = 0.1;  // of R^2, in the fit over out of it

/// The squares of first and of second differences of the activity, on a part of the frames.
std::array<double, 2> difference_squares(const TrainingData& data) {
  const auto& starts = data.frames.trajectory_starts;
  const std::int64_t every = std::max<std::int64_t>(1, data.frames.total / 500);
  std::array<double, 2> squares{};
  for (std::int64_t t = 0; t + 2 < data.frames.total; t += every) {
    if (std::ranges::binary_search(starts, t + 1) || std::ranges::binary_search(starts, t + 2)) continue;
    const at::Tensor first = (data.activity.select(0, t + 1) - data.activity.select(0, t)).to(at::kDouble);
    const at::Tensor next = (data.activity.select(0, t + 2) - data.activity.select(0, t + 1)).to(at::kDouble);
    squares[0] += first.square().sum().item<double>();
    squares[1] += (next - first).square().sum().item<double>();
  }
  return squares;
}

void require_derivative(Communicator& rows, const TrainingData& data) {
  if (sum_over(rows, squares_of(data.derivative)) > 0) return;
  throw UserError({"training data", "the derivative is 0 at every frame", "a derivative that varies",
                   "check how the dataset was made"});
}

/// Marks presynaptic neurons whose columns the data do not determine. Returns how many are saturated.
std::int64_t mark_columns(SplineNetwork& network) {
  std::vector<double> finite;
  for (const double error : network.errors.column)
    if (std::isfinite(error)) finite.push_back(error);
  const double limit = finite.empty() ? 0 : kSaturated * median(std::move(finite));
  std::int64_t saturated = 0;
  for (std::size_t j = 0; j < network.errors.column.size(); ++j) {
    const double error = network.errors.column[j];
    PresynapticState& state = network.errors.state[j];
    state = !std::isfinite(error) ? PresynapticState::silent
            : error > limit       ? PresynapticState::saturated
                                  : PresynapticState::heard;
    saturated += state == PresynapticState::saturated ? 1 : 0;
  }
  return saturated;
}

/// rms standard error over rms W, of the columns that are determined. @collective
double error_to_weight(Communicator& rows, const SplineNetwork& network) {
  double column_squares = 0, heard = 0;
  // Columns that are not determined may hold anything; silent ones hold 0.
  double squares = squares_of(network.connectivity);
  for (std::size_t j = 0; j < network.errors.column.size(); ++j) {
    if (network.errors.state[j] == PresynapticState::heard) {
      column_squares += network.errors.column[j] * network.errors.column[j];
      ++heard;
    } else if (network.errors.state[j] == PresynapticState::saturated) {
      squares -= squares_of(network.connectivity.narrow(1, static_cast<std::int64_t>(j), 1));
    }
  }
  double row_squares = 0;
  for (const double deviation : network.errors.row) row_squares += deviation * deviation;
  const auto n = static_cast<double>(network.partition.rows());
  const double error = sum_over(rows, row_squares) / n * column_squares / std::max(heard, 1.0);
  const double weight = sum_over(rows, squares) / (n * std::max(heard, 1.0));
  return weight > 0 ? std::sqrt(error / weight) : 0;
}

void limit(Identifiability& result, std::string line) {
  result.warnings.push_back(std::move(line));
  result.verdict = std::max(result.verdict, Verdict::limited);
}

/// Ahead of what is only limited: the first line is the one that a run ends with.
void void_answer(Identifiability& result, std::string line) {
  result.warnings.insert(result.warnings.begin(), std::move(line));
  result.verdict = Verdict::none;
}

void judge_data(Identifiability& result, const DataOutlook& outlook) {
  if (static_cast<double>(outlook.frames) < kWideMargin * static_cast<double>(outlook.frames_needed)) {
    limit(result, fmt::format("{} frames are hardly more than the {} that {} neurons need; record more",
                              outlook.frames, outlook.frames_needed, outlook.neurons));
  }
  if (outlook.white_noise.value_or(0) > kNoisyDifferences) {
    limit(result,
          fmt::format("{:.0f} % of the variance of the finite differences is noise that enters at each step, "
                      "divided by dt; record the derivative, or many more frames",
                      100 * *outlook.white_noise));
  }
}

void judge_columns(Identifiability& result, const RowSolution& solution, std::int64_t neurons,
                   std::int64_t saturated) {
  if (solution.weak_directions > 0) {
    limit(result,
          fmt::format("{} of {} directions of activity hardly occur (pivots of the Gram matrix under 1e-4): "
                      "weights along them are poorly determined; record longer, or with more varied activity",
                      solution.weak_directions, neurons));
  }
  if (solution.silent_columns > 0) {
    limit(result,
          fmt::format("{} neurons are silent: their outgoing weights cannot be told and were set to 0; leave "
                      "them out, or make them active (results/neurons.csv names them)",
                      solution.silent_columns));
  }
  if (saturated > 0) {
    limit(result,
          fmt::format("{} neurons hardly vary where psi does: standard errors of their outgoing weights are "
                      "over {:.0f} times the others'; do not use these (results/neurons.csv names them)",
                      saturated, kSaturated));
  }
}

void judge_scale(Identifiability& result, double scale_error) {
  if (scale_error <= kUncertainScale) return;
  limit(
      result,
      fmt::format("the scale of W is known to {:.2g} % only: no offset of psi takes the phi of all neurons "
                  "to 0 at 0, for inputs that never change, such as those of silent neurons, look like phi; "
                  "compare weights with each other, or leave silent neurons out",
                  100 * scale_error));
}

void judge_fit(Identifiability& result, const PsiSearchResult& search, const PhiShapes& shapes,
               const RowSolution& solution) {
  const double residual = solution.residuals.back();
  const bool white = solution.residual_autocorrelation <= kWhite;
  if (!white && residual > kMisfit) {
    limit(result,
          fmt::format("the model leaves {:.2g} of the derivative, and what it leaves goes on from frame to "
                      "frame (autocorrelation {:.2f}), so it is no noise: perhaps psi is not shared; give "
                      "training.psi_groups, or look for inputs that were not recorded",
                      residual, solution.residual_autocorrelation));
  } else if (!white) {
    limit(result,
          fmt::format("what the model leaves of the derivative ({:.2g}) goes on from frame to frame "
                      "(autocorrelation {:.2f}): it is the error of splines and rounding, no noise, and the "
                      "error bars, which take it for noise, are too small; take them for a lower bound",
                      residual, solution.residual_autocorrelation));
  }
  if (search.residual() > kMisfit && search.residual() > kStuck * search.residuals.front()) {
    limit(
        result,
        fmt::format("the search for psi did not lower the residual ({:.2g} at first, {:.2g} at the end); the "
                    "weights may be right up to a distortion of psi",
                    search.residuals.front(), search.residual()));
  }
  if (!shapes.enough) {
    limit(result,
          fmt::format("{} shapes do not make up the phi of the sampled rows: they leave {:.2g} of the "
                      "derivative more than phi of their own; neurons may be more diverse than this model",
                      shapes.count(), shapes.excess.back()));
  }
  if (residual > kMisfit && residual > kWorseRows * search.residual()) {
    limit(
        result,
        fmt::format("all rows are fitted to {:.2g}, those that psi was found from to {:.2g}: other neurons' "
                    "phi have shapes that these lacked (results/neurons.csv has each neuron's residual)",
                    residual, search.residual()));
  }
}

std::string unresolved(double resolution) {
  return fmt::format(
      "the activity goes in so few directions that it determines only {:.2g} % of the weights, "
      "whatever their error bars say; record longer, or with more varied activity",
      100 * resolution);
}

void judge_answer(Identifiability& result, const RowSolution& solution, double error) {
  const double residual = solution.residuals.back();
  const double fitted = 1 - residual * residual;
  if (solution.validation_r2 && *solution.validation_r2 < fitted - kOverfit) {
    limit(
        result,
        fmt::format("frames held out are predicted with R^2 {:.3g}, those fitted with {:.3g}: too few frames "
                    "for so many weights; record more",
                    *solution.validation_r2, fitted));
  }
  if (solution.resolution < kUndetermined) {
    void_answer(result, unresolved(solution.resolution));
  } else if (solution.resolution < kResolved) {
    limit(result, unresolved(solution.resolution));
  }
  if (error > kDrowned) {
    void_answer(result,
                fmt::format("the standard errors of the weights are {:.2g} times the weights: noise drowns "
                            "them; record {:.0f} times as many frames, or a derivative with less noise",
                            error, std::ceil(std::pow(error / kLargeError, 2))));
  } else if (error > kLargeError) {
    limit(result,
          fmt::format("the standard errors are {:.2g} of the weights; record more frames, or with less noise",
                      error));
  }
  if (solution.validation_r2 && !(*solution.validation_r2 > 0)) {
    void_answer(result,
                fmt::format("frames held out are predicted with R^2 {:.3g}, worse than by their mean: the "
                            "answer is worth nothing; record more frames, or a derivative with less noise",
                            *solution.validation_r2));
  }
}

}  // namespace

std::int64_t fewest_frames(std::int64_t neurons, std::int64_t phi_splines, std::int64_t psi_unknowns) {
  const std::int64_t rows = std::min(PsiSearchOptions{}.rows, neurons);
  return neurons + phi_splines + (kResidualsOfAnUnknown * psi_unknowns + rows - 1) / rows;
}

DataOutlook look_at_data(Communicator& rows, const TrainingData& data, std::int64_t phi_splines,
                         std::int64_t psi_unknowns) {
  require_derivative(rows, data);
  DataOutlook outlook{
      data.partition.rows(), 0, fewest_frames(data.partition.rows(), phi_splines, psi_unknowns), {}};
  if (data.differences) {
    const auto [first, second] = difference_squares(data);
    const double first_of_all = sum_over(rows, first);
    const double second_of_all = sum_over(rows, second);
    outlook.white_noise = first_of_all > 0 ? std::min(1.0, second_of_all / (2 * first_of_all)) : 0;
  }
  return outlook;
}

void require_enough(const DataOutlook& outlook) {
  if (outlook.frames >= outlook.frames_needed) return;
  throw UnidentifiableError(
      {"training data",
       fmt::format("{} frames to fit (a fiftieth is held out) for {} neurons", outlook.frames,
                   outlook.neurons),
       fmt::format("at least {}: with fewer, any W fits", outlook.frames_needed),
       fmt::format("record {} frames or more, or fewer neurons", outlook.frames_needed * 5 / 4)});
}

nlohmann::json Identifiability::to_json() const {
  nlohmann::json group = numbers;
  group["verdict"] = verdict == Verdict::good ? "good" : verdict == Verdict::limited ? "limited" : "none";
  group["warnings"] = warnings;
  return group;
}

Identifiability judge(Communicator& rows, const DataOutlook& outlook, const PsiSearchResult& search,
                      const PhiShapes& shapes, const RowSolution& solution, double scale_error,
                      SplineNetwork& network) {
  const std::int64_t saturated = mark_columns(network);
  const double error = error_to_weight(rows, network);
  Identifiability result;
  result.numbers = {{"frames", outlook.frames},
                    {"frames_needed", outlook.frames_needed},
                    {"silent_neurons", solution.silent_columns},
                    {"saturated_neurons", saturated},
                    {"weak_directions", solution.weak_directions},
                    {"resolution", solution.resolution},
                    {"error_to_weight", error},
                    {"scale_error", scale_error},
                    {"residual_autocorrelation", solution.residual_autocorrelation}};
  if (outlook.white_noise) result.numbers["white_noise_of_differences"] = *outlook.white_noise;
  judge_data(result, outlook);
  judge_columns(result, solution, outlook.neurons, saturated);
  judge_scale(result, scale_error);
  judge_fit(result, search, shapes, solution);
  judge_answer(result, solution, error);
  return result;
}

}  // namespace weft
