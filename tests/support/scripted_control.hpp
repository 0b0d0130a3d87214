#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weft/comm/run_control.hpp"

namespace weft {

/// A RunControl that wishes, by the number of the poll (from 0), what a test has written down; keeps the
/// progress and the measures that it was told of. This rank alone may wish, or all.
class ScriptedControl final : public RunControl {
 public:
  using Script = std::function<Wish(std::int64_t poll)>;
  explicit ScriptedControl(Script script) : script_(std::move(script)) {}

  void progress(const Progress& progress) override { told_.push_back(progress); }
  void measured(std::span<const Measure> found) override {
    for (const Measure& measure : found)
      measured_[std::string(measure.name) + "/" + std::string(measure.part)].push_back(measure.value);
  }
  Votes votes() override {
    const Wish wish = script_(polls_);
    return {.stop = wish == Wish::stop ? 1.0 : 0.0, .checkpoint = wish == Wish::checkpoint ? 1.0 : 0.0};
  }
  Wish decide(const Votes& sum) override {
    ++polls_;
    if (sum.stop > 0) return Wish::stop;
    return sum.checkpoint > 0 ? Wish::checkpoint : Wish::go_on;
  }

  std::int64_t polls() const { return polls_; }
  const std::vector<Progress>& told() const { return told_; }
  /// By "name/part", in the order in which they came.
  const std::map<std::string, std::vector<double>>& measures() const { return measured_; }

 private:
  Script script_;
  std::int64_t polls_ = 0;
  std::vector<Progress> told_;
  std::map<std::string, std::vector<double>> measured_;
};

}  // namespace weft
