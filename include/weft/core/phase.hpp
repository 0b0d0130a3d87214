#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Phases that more than one place names.
inline constexpr std::string_view kPhaseData = "data";
inline constexpr std::string_view kPhaseForward = "forward";
inline constexpr std::string_view kPhaseBackward = "backward";
inline constexpr std::string_view kPhaseOptimizer = "optimizer";
inline constexpr std::string_view kPhaseCommunication = "communication";
inline constexpr std::string_view kPhaseIo = "io";
/// What a GPU does by itself, of which the host sees no parts.
inline constexpr std::string_view kPhaseDevice = "device";
/// What belongs to no phase.
inline constexpr std::string_view kPhaseOther = "other";

/// Work as it is counted on paper, not measured.
struct WorkCount {
  double flops = 0;  ///< floating-point operations
  double bytes = 0;  ///< read from memory and written to it

  WorkCount& operator+=(const WorkCount& more);
  WorkCount operator-(const WorkCount& less) const { return {flops - less.flops, bytes - less.bytes}; }
};

/// What the main thread of this process has spent on one kind of work in one stage.
struct PhaseTime {
  std::string stage;  ///< as `note_stage` (core/section.hpp) has it; empty before the first
  std::string phase;
  double seconds = 0;  ///< without those of phases within it
  WorkCount work;      ///< what was noted of it; zeros where nothing was
};

/// The main thread is at a kind of work for as long as this lives. Phases nest: an inner one's time is not
/// the outer one's. Sections of core/section.hpp that wait for other ranks or for the disk are phases too. On
/// other threads nothing is noted. Cheap: for every collective and every pass of a step.
class InPhase {
 public:
  explicit InPhase(std::string_view phase);
  ~InPhase();
  InPhase(const InPhase&) = delete;
  InPhase& operator=(const InPhase&) = delete;

 private:
  std::size_t outer_;
};

/// Adds to the work of the phase that the main thread is in; on other threads nothing.
void note_work(const WorkCount& work);
/// All that was noted so far.
WorkCount noted_work();

/// Time that passes counts to this stage from now on. Main thread only, outside of phases.
void begin_phases_of(std::string_view stage);

/// All phases so far, by their first appearance, the one under way up to now. From any thread.
std::vector<PhaseTime> phase_times();
/// What this rank has spent in the present stage on work of its own: not on waiting for other ranks or for
/// the disk [s]. From any thread.
double own_seconds();

}  // namespace weft
