#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/eval/clustering.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/eval/weight_scatter.hpp"
#include "weft/io/dataset.hpp"
#include "weft/io/truth.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// Activity of a few neurons over the first frames of the first trajectory.
struct TimeSeriesFigure {
  std::vector<double> time;          ///< (K) [time units]
  std::vector<std::int64_t> neuron;  ///< (M)
  std::vector<float> activity;       ///< (K x M)
};

/// The most neurons of ConnectivityFigure's inset.
constexpr std::int64_t kInsetNeurons = 20;

/// W of neurons spread over the assembly, and of the first ones, [post, pre].
struct ConnectivityFigure {
  std::vector<std::int64_t> index;   ///< (D) the neurons shown
  std::vector<float> learned;        ///< (D x D), published scale
  std::vector<float> truth;          ///< (D x D); empty where unknown
  std::vector<float> inset_learned;  ///< (E x E), neurons 0 to E - 1
  std::vector<float> inset_truth;    ///< (E x E); empty where unknown
};

struct LatentFigure {
  std::vector<Latent> latents;        ///< (N)
  std::vector<std::int64_t> cluster;  ///< (N)
  std::vector<std::int64_t> type;     ///< (N); empty where unknown
};

struct PhiFigure {
  std::vector<double> x;             ///< (P)
  std::vector<std::int64_t> neuron;  ///< (n) the neurons shown
  std::vector<double> learned;       ///< (n x P)
  std::vector<std::int64_t> type;    ///< (n); empty where unknown
  std::vector<double> truth;         ///< (types x P); empty where unknown
};

struct PsiFigure {
  std::vector<double> x;        ///< (P)
  std::vector<double> learned;  ///< (groups x P)
  std::vector<double> truth;    ///< (P); empty where unknown
};

/// All that the panels are drawn from.
struct Figures {
  double xnorm = 0;
  double psi_scale = 1;  ///< psi shown = (psi learned + psi_offset) / psi_scale
  double psi_offset = 0;
  TimeSeriesFigure time_series;
  ConnectivityFigure connectivity;
  std::optional<WeightScatter> scatter;  ///< absent where the truth is unknown
  LatentFigure latents;
  PhiFigure phi;
  PsiFigure psi;
};

/// Up to 12 neurons, up to 1000 frames. Local. @throws UserError where the dataset cannot be read.
TimeSeriesFigure time_series_figure(const Dataset& dataset);

/// Up to 400 neurons, evenly spaced. `truth` may be null. The true block is there on rank 0 only.
/// @collective over the row shards.
ConnectivityFigure connectivity_figure(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                       const Truth* truth);

/// Up to 1000 neurons, evenly spaced, at every x. @collective over the row shards.
PhiFigure phi_figure(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                     const NeuronTypeTruth* truth, std::vector<double> x);

/// Writes evaluation.h5 (docs/metrics.md, "What the panels are drawn from"), under a temporary name first.
/// Local: for one rank. @throws UserError where the file cannot be written.
void write_figures(const std::filesystem::path& path, const Figures& figures);

}  // namespace weft
