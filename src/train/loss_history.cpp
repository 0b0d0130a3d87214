#include "weft/train/loss_history.hpp"

namespace weft {

void LossWindow::add(const Losses& losses) {
  sum.data += losses.data;
  sum.phi_zero += losses.phi_zero;
  sum.psi_monotone += losses.psi_monotone;
  ++steps;
}

void LossWindow::record(std::int64_t step, std::int64_t neurons, LossHistory& history) {
  const double scale = 1.0 / (static_cast<double>(steps) * static_cast<double>(neurons));
  history.step.push_back(step);
  history.total.push_back(scale * sum.total());
  history.data.push_back(scale * sum.data);
  history.phi_zero.push_back(scale * sum.phi_zero);
  history.psi_monotone.push_back(scale * sum.psi_monotone);
  *this = {};
}

}  // namespace weft
