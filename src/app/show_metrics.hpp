#pragma once

#include <optional>

#include "weft/app/pipeline.hpp"

namespace weft {

/// Begins to show the run's metrics where somebody wants them, which rank 0 knows; there the stages of
/// `context` feed them from then on. The folder must be there. @collective
void show_metrics(StageContext& context, const RunView& view, std::optional<MetricsService>& service);

}  // namespace weft
