#include "weft/train/work_log.hpp"

#include <algorithm>
#include <cmath>

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
  double seconds = 0;
  for (std::size_t k = first; k < phases_.size(); ++k) seconds += phases_[k].seconds;
  phases_.resize(first);
  phases_.push_back({name, seconds, 0});
}

double WorkLog::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void WorkLog::book(const std::string& name, double seconds, double flops) {
  const auto found = std::ranges::find(phases_, name, &Phase::name);
  Phase& phase = found != phases_.end() ? *found : phases_.emplace_back(Phase{name, 0, 0});
  phase.seconds += seconds;
  phase.flops += flops;
  done_ += flops;
  show();
}

void WorkLog::show() const {
  if (!progress_) return;
  const auto giga = [](double flops) { return static_cast<std::int64_t>(std::ceil(flops / 1e9)); };
  // Not complete before it is finished, however much was expected.
  const std::int64_t total = finished_ ? giga(done_) : std::max(giga(expected_), giga(done_) + 1);
  progress_({"train", giga(done_), total, "GFLOP", detail_});
}

}  // namespace weft
