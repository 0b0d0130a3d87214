#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "weft/core/phase.hpp"

namespace weft {

/// The kinds of work that a rank's main thread does, each with its own patience of those who watch over it:
/// a slow disk is no hung step.
enum class Section { step, collective, checkpoint, read };
inline constexpr int kSections = 4;

/// "step", "collective", ...
std::string_view section_name(Section section);

/// What the main thread of this process is doing.
struct Whereabouts {
  const char* stage = "";  ///< such as "train"; a literal
  std::int64_t step = 0;   ///< of the stage; 0 where it has none or is before its first
  Section section = Section::step;
  double seconds = 0;  ///< since the section was entered, or since the step was noted within it
};

/// Notes that the main thread is in a section for as long as this lives; sections nest. Its time counts to
/// the phase `communication` or `io`. Cheap: for every collective and every file. On other threads nothing is
/// noted.
class InSection {
 public:
  explicit InSection(Section section);
  ~InSection();
  InSection(const InSection&) = delete;
  InSection& operator=(const InSection&) = delete;

 private:
  Section outer_;
  std::optional<InPhase> phase_;
};

/// Notes that a stage begins; `stage` is a literal. Main thread only.
void note_stage(const char* stage);
/// Notes that the stage has come to this step. Main thread only, cheap.
void note_step(std::int64_t step);

/// From any thread.
Whereabouts whereabouts();

}  // namespace weft
