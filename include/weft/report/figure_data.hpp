#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weft {

/// Numbers in rows and columns, row-major. Empty where what it holds is unknown.
struct Table {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<double> values;

  bool empty() const { return values.empty(); }
  double at(std::int64_t row, std::int64_t column) const {
    return values[static_cast<std::size_t>(row * columns + column)];
  }
};

/// Recorded activity of a few neurons.
struct SampleSeries {
  std::vector<double> time;          ///< (K) [time units]
  std::vector<std::int64_t> neuron;  ///< (M)
  Table activity;                    ///< (K x M)
};

/// A sample of W [post, pre] that fits a picture, and its corner at full resolution.
struct ConnectivitySample {
  std::vector<std::int64_t> index;   ///< (D) the neurons of its rows, and of its columns
  Table truth, learned;              ///< (D x D); truth may be empty
  Table inset_truth, inset_learned;  ///< (20 x 20), fewer for a smaller assembly
};

/// How often a learned weight met a true one, over all pairs.
struct WeightComparison {
  std::vector<double> edges;  ///< (B + 1) of the bins, evenly spaced, for both axes
  Table counts;               ///< (B x B) [learned bin, true bin]
  std::int64_t outside = 0;   ///< pairs beyond the edges
  std::optional<double> r2, slope;
};

struct Latents {
  Table a;                            ///< (N x 2)
  std::vector<std::int64_t> cluster;  ///< (N)
  std::vector<std::int64_t> type;     ///< (N); empty where the truth is unknown
};

/// phi*(a_i, x) of a sample of neurons.
struct NeuronFunctions {
  std::vector<double> x;             ///< (P)
  Table learned;                     ///< (n x P)
  std::vector<std::int64_t> neuron;  ///< (n)
  Table truth;                       ///< (types x P); may be empty
};

/// psi of each group of presynaptic neurons.
struct SharedFunction {
  std::vector<double> x;      ///< (P)
  Table learned;              ///< (groups x P)
  std::vector<double> truth;  ///< (P); may be empty
};

/// The terms of the training loss, divided by N: means over the steps from one record to the next.
struct LossCurve {
  std::vector<double> step, total, data, phi_zero, psi_monotone;  ///< (K)
};

/// How the closed form got to its end.
struct SolverRecord {
  struct Phase {
    std::string name;
    double seconds = 0;
    double tflop = 0;  ///< of matrix products, solves and factorisations; 0 where there are none
  };
  std::vector<double> psi_residuals;  ///< relative, after each evaluation of the search for psi
  std::vector<double> psi_dampings;   ///< as many
  std::vector<double> row_residuals;  ///< of all rows, after their solution and each refinement
  std::vector<Phase> phases;          ///< the longest first
};

/// What the metrics say of the scale that psi and W are shown in.
struct ScaleFacts {
  double xnorm = 0;                         ///< functions are compared on [-xnorm, xnorm]; 0 where unknown
  std::optional<double> plateau_variation;  ///< none where psi has no plateau: psi and W are then as learned
};

/// All that the panels show.
struct FigureData {
  SampleSeries series;
  ConnectivitySample connectivity;
  std::optional<WeightComparison> comparison;
  Latents latents;
  NeuronFunctions phi;
  SharedFunction psi;
  std::optional<LossCurve> loss;
  std::optional<SolverRecord> solver;
  ScaleFacts scale;
};

/// Reads what an evaluation left in `evaluation.h5`. What depends on a truth that is unknown stays empty.
/// Local.
/// @throws UserError where the file is missing or not one of an evaluation.
FigureData read_evaluation(const std::filesystem::path& file);

/// The loss history of the newest checkpoint under `root`; none where there is no checkpoint or it keeps
/// none. Local.
std::optional<LossCurve> read_loss_history(const std::filesystem::path& root);

/// `solver` of metrics.json; none where the method has no such thing. Local.
std::optional<SolverRecord> solver_record(const nlohmann::json& metrics);

}  // namespace weft
