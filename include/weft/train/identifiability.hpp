#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "weft/comm/communicator.hpp"
#include "weft/model/spline_network.hpp"
#include "weft/train/phi_shapes.hpp"
#include "weft/train/psi_search.hpp"
#include "weft/train/row_solver.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// What there is to be said about data before anything is solved.
struct DataOutlook {
  std::int64_t neurons = 0;
  std::int64_t frames = 0;         ///< to be fitted
  std::int64_t frames_needed = 0;  ///< the fewest that leave W determined
  /// Of a derivative made by differences: the share of its variance that enters anew at each step, which
  /// psi(x) can not explain. Absent where the derivative was given.
  std::optional<double> white_noise;
};

/// Frames to fit with which W is determined at all: as many as unknowns of a row, and then so many that the
/// few rows which psi is found from leave 4 residuals for each of its unknowns. Local.
std::int64_t fewest_frames(std::int64_t neurons, std::int64_t phi_splines, std::int64_t psi_unknowns);

/// All but the number of frames to be fitted. @collective over the row shards. @throws UserError on all ranks
/// where the derivative is 0 throughout.
DataOutlook look_at_data(Communicator& rows, const TrainingData& data, std::int64_t phi_splines,
                         std::int64_t psi_unknowns);

/// @throws UnidentifiableError where the frames cannot determine W, whatever they hold. Local.
void require_enough(const DataOutlook& outlook);

enum class Verdict { good, limited, none };

/// How far the data determine the answer: `identifiability` of metrics.json (docs/metrics.md).
struct Identifiability {
  Verdict verdict = Verdict::good;
  std::vector<std::string> warnings;  ///< one line each, with numbers and a remedy
  nlohmann::json numbers = nlohmann::json::object();

  nlohmann::json to_json() const;
};

/// After the solve. `scale_error`: how uncertain the scale of W is, relative. Sets the states of the
/// network's presynaptic neurons as well. @collective over the row shards.
Identifiability judge(Communicator& rows, const DataOutlook& outlook, const PsiSearchResult& search,
                      const PhiShapes& shapes, const RowSolution& solution, double scale_error,
                      SplineNetwork& network);

}  // namespace weft
