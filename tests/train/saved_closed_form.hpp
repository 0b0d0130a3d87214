#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>

#include <gtest/gtest.h>

#include "weft/core/error.hpp"
#include "weft/train/row_solver.hpp"
#include "weft/train/trainer.hpp"

#include "support/scripted_control.hpp"

namespace weft {

/// Frames at a time with which a pass over 600 takes several chunks.
constexpr std::int64_t kFewFrames = 150;

/// A number of a state under way; 0 where it is not there.
inline std::int64_t number_in(const ModelArrays& state, const std::string& name) {
  const auto found = std::ranges::find(state.common, name, &ArrayView::name);
  if (found == state.common.end()) return 0;
  return std::get<std::span<const std::int64_t>>(found->values).front();
}

inline RowStage stage_in(const ModelArrays& state) {
  return static_cast<RowStage>(number_in(state, "state/rows/stage"));
}
inline std::int64_t frames_done_in(const ModelArrays& state) {
  return number_in(state, "state/rows/frames_done");
}

/// Which state of a closed form under way is meant.
using StateWish = std::function<bool(const ModelArrays&)>;

inline bool has_begun_to_search(const ModelArrays& state) {
  return number_in(state, "state/search/steps") > 0;
}
/// Amid the first pass over the frames, with some of the sums.
inline bool is_adding(const ModelArrays& state) {
  return stage_in(state) == RowStage::adding && frames_done_in(state) > kFewFrames;
}
/// Amid a later pass.
inline bool is_refining(const ModelArrays& state) {
  return stage_in(state) == RowStage::refining && frames_done_in(state) > 0;
}
inline StateWish is_at(RowStage stage) {
  return [stage](const ModelArrays& state) { return stage_in(state) == stage; };
}

/// Trains until a state is wanted, which is saved; its step. It must come. @collective
inline std::int64_t solve_until(Trainer& trainer, const StateWish& wanted, const SaveState& save) {
  ScriptedControl control([](std::int64_t) { return Wish::checkpoint; });
  std::int64_t saved = 0;
  const auto save_and_stop = [&](std::int64_t step, const ModelArrays& state) {
    if (!wanted(state)) return;
    save(step, state);
    saved = step;
    throw Stopped("where the test wants it");
  };
  EXPECT_THROW(trainer.train(control, save_and_stop), Stopped);
  return saved;
}

}  // namespace weft
