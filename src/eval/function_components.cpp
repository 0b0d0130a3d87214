#include "weft/eval/function_components.hpp"

#include <algorithm>
#include <cmath>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"
#include "weft/eval/function_metrics.hpp"
#include "weft/model/principal_components.hpp"

#include "eval/collect.hpp"

namespace weft {

std::vector<Latent> function_components(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                        std::span<const double> x) {
  const std::int64_t points = std::ssize(x);
  const std::int64_t own = model.partition().size(model.shard());
  std::vector<double> curves;
  collectively(rows, [&] {
    curves = gauged_phi(model, gauge, LocalRow{0}, own, x);
    if (std::ranges::all_of(curves, [](double value) { return std::isfinite(value); })) return;
    throw UserError({"the trained model", "phi is not finite", "finite numbers",
                     "train again with lower learning rates"});
  });
  const std::vector<double> projected = principal_components(rows, model.partition(), curves, points);
  const auto all = gather_blocks(rows, projected, times(model.partition().sizes(), 2));
  std::vector<Latent> components;
  for (std::size_t i = 0; i < all.size(); i += 2) components.push_back({all[i], all[i + 1]});
  return components;
}

}  // namespace weft
