#include "weft/core/section.hpp"

#include <array>
#include <atomic>
#include <chrono>

#include "weft/core/main_thread.hpp"

namespace weft {
namespace {

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Whoever sees a section sees no older time: the seconds of the section before would be too many for it. For
// the rest, each by itself may be a moment older than the others, which does not matter.
std::atomic<const char*> present_stage{""};
std::atomic<std::int64_t> present_step{0};
std::atomic<Section> present_section{Section::step};
std::atomic<std::int64_t> since_ns{now_ns()};

/// Of other threads' work nothing is noted.
Section enter(Section section) {
  if (!on_main_thread()) return section;
  since_ns.store(now_ns(), std::memory_order_relaxed);
  return present_section.exchange(section, std::memory_order_release);
}

}  // namespace

std::string_view section_name(Section section) {
  static constexpr std::array<std::string_view, kSections> names{"step", "collective", "checkpoint", "read"};
  return names[static_cast<std::size_t>(section)];
}

InSection::InSection(Section section) : outer_(enter(section)) {
  if (section != Section::step)
    phase_.emplace(section == Section::collective ? kPhaseCommunication : kPhaseIo);
}

InSection::~InSection() { enter(outer_); }

void note_stage(const char* stage) {
  present_stage.store(stage, std::memory_order_relaxed);
  note_step(0);
  begin_phases_of(stage);
}

void note_step(std::int64_t step) {
  present_step.store(step, std::memory_order_relaxed);
  since_ns.store(now_ns(), std::memory_order_relaxed);
}

Whereabouts whereabouts() {
  Whereabouts now;
  now.section = present_section.load(std::memory_order_acquire);
  now.stage = present_stage.load(std::memory_order_relaxed);
  now.step = present_step.load(std::memory_order_relaxed);
  const std::int64_t since = since_ns.load(std::memory_order_relaxed);
  now.seconds = 1e-9 * static_cast<double>(now_ns() - since);
  return now;
}

}  // namespace weft
