#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/app/stages.hpp"
#include "weft/comm/rank_board.hpp"
#include "weft/ops/metrics_service.hpp"
#include "weft/ops/run_lock.hpp"

namespace weft {

/// What to do where a stage was stopped before its end: go on with it if there is one; have one, or refuse;
/// begin anew.
enum class Resume { automatic, must, never };

/// Which stages a command asks for.
struct Request {
  Stage first = Stage::simulate;
  Stage last = Stage::report;
  std::optional<Stage> redo;  ///< do this one and all after it again
  Resume resume = Resume::automatic;

  bool covers(Stage stage) const { return first <= stage && stage <= last; }
};

/// The stages to run: those asked for, without the ones that are complete for this very config, and without
/// the simulation where `data.path` names a dataset. What is complete stays so where its dataset is gone: the
/// simulation makes the same again. Reads the folder, changes nothing. Local.
/// @throws UserError where a result in the folder belongs to another config (the keys that differ are named),
/// or where the
///   result of a stage before `first` is missing.
std::vector<Stage> plan(const RunFolder& folder, const Config& config, const Request& request);

/// What a run has to do.
struct Work {
  std::vector<Stage> stages;
  std::filesystem::path simulation;  ///< the checkpoint that it goes on from; empty where it begins anew
  std::filesystem::path training;    ///< likewise

  bool includes(Stage stage) const;
  const std::filesystem::path& state_of(Stage stage) const;
};

/// The plan, and the checkpoints under way that it goes on from, all of which it reads: that of the first
/// stage, and that of a training whose dataset is gone, to be made again. Changes nothing. Local.
/// @throws UserError as `plan`; where there is a state of another config, where none of several is sound, or
/// where there is none to begin with and `request` wants one.
Work work_to_do(const RunFolder& folder, const Config& config, const Request& request);

/// What rank 0 of a run holds until its process ends.
struct RunHold {
  std::optional<RunLock> lock;
  std::optional<MetricsService> metrics;  ///< where somebody wants to see them
};

/// How a run is to be seen from outside.
struct RunView {
  MetricsOptions options;
  std::shared_ptr<const RankBoard> board;  ///< what rank 0 hears of the others
};

/// Runs what `plan` finds, under the folder's lock: makes the folder, saves the resolved config, opens
/// log/weft.log, serves metrics. Rank 0 plans for all, and gets what `hold` is for. Goes on with a stage that
/// was stopped. @collective
/// @throws on all ranks: UserError, before anything is written where the mistake can be known by then; what
/// run_stage throws.
void run_pipeline(StageContext context, const Request& request, const RunView& view, RunHold& hold);

/// Where the training found that its data do not hold the answer, that is what the run ends with, all its
/// results written. @collective
/// @throws UnidentifiableError with the first warning where identifiability.verdict is "none".
void check_verdict(Communicator& world, const RunFolder& folder);

}  // namespace weft
