#pragma once

#include <filesystem>

#include "weft/report/figure_data.hpp"

namespace weft {

/// What an evaluation could have found: 24 neurons of 3 types, all numbers from closed formulas. Without a
/// truth all that needs one is empty.
FigureData made_up_figures(bool with_truth);

/// What the closed form could have left: nine evaluations of psi, one of them rejected, two solutions of all
/// rows.
SolverRecord made_up_solver();

/// The same as an evaluation leaves it in evaluation.h5.
void write_evaluation(const std::filesystem::path& file, const FigureData& data);

/// A checkpoint that holds the loss history alone.
void write_loss_checkpoint(const std::filesystem::path& root, const LossCurve& loss);

/// The files of a run that the report reads. The run's name is `name <i>"R&D"</i>`, as hostile as a name can
/// be.
void write_run(const std::filesystem::path& folder, bool with_truth);

}  // namespace weft
