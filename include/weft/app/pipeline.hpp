#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weft/app/stages.hpp"

namespace weft {

/// Which stages a command asks for.
struct Request {
  Stage first = Stage::simulate;
  Stage last = Stage::report;
  std::optional<Stage> redo;  ///< do this one and all after it again

  bool covers(Stage stage) const { return first <= stage && stage <= last; }
};

/// The stages to run: those asked for, without the ones that are complete for this very config, and without
/// the simulation where `data.path` names a dataset. Reads the folder, changes nothing. Local.
/// @throws UserError where a result in the folder belongs to another config (the keys that differ are named),
/// or where the
///   result of a stage before `first` is missing.
std::vector<Stage> plan(const RunFolder& folder, const Config& config, const Request& request);

/// Runs what `plan` finds, under the folder's lock: makes the folder, saves the resolved config, opens
/// log/weft.log. Rank 0 plans for all.
/// @collective @throws UserError on all ranks, before anything is written where the mistake can be known by
/// then.
void run_pipeline(const StageContext& context, const Request& request);

/// Where the training found that its data do not hold the answer, that is what the run ends with, all its
/// results written. @collective
/// @throws UnidentifiableError with the first warning where identifiability.verdict is "none".
void check_verdict(Communicator& world, const RunFolder& folder);

}  // namespace weft
