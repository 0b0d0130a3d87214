#pragma once

#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/eval/clustering.hpp"
#include "weft/eval/gauge.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// What each neuron does, as a point of the plane: the first two principal components over neurons of the
/// curves phi_i(x), offset fixed by `gauge`, each scaled to unit variance; a component of no variance is 0.
/// Unlike the trained latents a_i, whose coordinates mean nothing by themselves, these depend on the
/// recovered functions alone. (N), the same on every rank.
/// @collective over the row shards. @throws UserError where phi is not finite.
std::vector<Latent> function_components(Communicator& rows, const RecoveredModel& model, const Gauge& gauge,
                                        std::span<const double> x);

}  // namespace weft
