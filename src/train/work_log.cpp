#include "weft/train/work_log.hpp"

#include <algorithm>
#include <cmath>

#include "weft/core/section.hpp"

namespace weft {

void WorkLog::say(std::string detail) {
  detail_ = std::move(detail);
  show();
}

void WorkLog::finish(std::string detail) {
  finished_ = true;
  say(std::move(detail));
}

void WorkLog::write_off(std::size_t first, const std::string& name) {
  std::vector<Phase>& phases = done_.phases;
  double seconds = 0;
  for (std::size_t k = first; k < phases.size(); ++k) seconds += phases[k].seconds;
  phases.resize(first);
  phases.push_back({name, seconds, 0});
}

double WorkLog::seconds() const {
  const auto passed = std::chrono::steady_clock::now() - start_;
  return done_.seconds + std::chrono::duration<double>(passed).count();
}

void WorkLog::book(const std::string& name, double seconds, double flops) {
  std::vector<Phase>& phases = done_.phases;
  const auto found = std::ranges::find(phases, name, &Phase::name);
  Phase& phase = found != phases.end() ? *found : phases.emplace_back(Phase{name, 0, 0});
  phase.seconds += seconds;
  phase.flops += flops;
  done_.flops += flops;
  note_step(whereabouts().step);  // steps are long: whoever watches sees that this one goes on
  show();
}

void WorkLog::show() const {
  const auto giga = [](double flops) { return static_cast<std::int64_t>(std::ceil(flops / 1e9)); };
  // Not complete before it is finished, however much was expected.
  const std::int64_t done = giga(done_.flops);
  const std::int64_t total = finished_ ? done : std::max(giga(expected_), done + 1);
  control_.progress({"train", done, total, "GFLOP", detail_});
}

}  // namespace weft
