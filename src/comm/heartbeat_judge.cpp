#include "heartbeat_judge.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace weft {
namespace {

/// A look that comes later than so many intervals after the one before was held up itself.
constexpr double kCountedIntervals = 3;

bool uses_the_disk(Section section) { return section == Section::checkpoint || section == Section::read; }

std::string place(const Sign& sign) {
  const std::string section = fmt::format("section {}", section_name(sign.section));
  return sign.stage.empty() ? section : fmt::format("{}, step {}, {}", sign.stage, sign.step, section);
}

}  // namespace

double Patience::of(Section section) const {
  switch (section) {
    case Section::step:
      return step;
    case Section::collective:
      return collective;
    case Section::checkpoint:
      return checkpoint;
    case Section::read:
      return read;
  }
  return step;
}

Sign own_sign(const MemoryGauge& memory) {
  const double own = own_seconds();
  const Whereabouts now = whereabouts();
  return {now.stage, now.step, now.section, now.seconds, own, memory ? memory() : MemoryUse{}};
}

double interval_of(const Patience& patience) { return std::min(1.0, patience.heartbeat / 10); }

Judge::Judge(std::vector<std::string> hosts, const Patience& patience)
    : hosts_(std::move(hosts)), patience_(patience), ranks_(hosts_.size()) {}

void Judge::heard(int rank, Sign sign) {
  of(rank).sign = std::move(sign);
  of(rank).silent = 0;
}

/// The time spent in a section is never more than the rank itself says, which is little where it has just
/// entered another.
void Judge::pass(double seconds) {
  const double counted = std::min(seconds, kCountedIntervals * interval_of(patience_));
  const bool excused = somebody_uses_the_disk();
  for (Watched& rank : ranks_) {
    rank.silent += counted;
    const bool counts = !excused || uses_the_disk(rank.sign.section);
    rank.spent = std::min(rank.sign.seconds, rank.spent + (counts ? counted : 0));
  }
}

bool Judge::overdue(const Watched& rank) const {
  return rank.watched && rank.spent > patience_.of(rank.sign.section);
}

bool Judge::somebody_uses_the_disk() const {
  return std::ranges::any_of(ranks_, [&](const Watched& rank) {
    return rank.watched && uses_the_disk(rank.sign.section) && !overdue(rank);
  });
}

std::optional<std::string> Judge::verdict() const {
  for (const Watched& rank : ranks_) {
    if (rank.watched && rank.lost)
      return fmt::format("{}: its process is gone; it was in {}", name(rank), place(rank.sign));
  }
  for (const Watched& rank : ranks_) {
    if (rank.watched && rank.silent > patience_.heartbeat)
      return fmt::format("{}: no sign of life for {:.0f} s; it was in {}", name(rank), rank.silent,
                         place(rank.sign));
  }
  // Those who wait in a collective are rarely the ones to blame.
  for (const bool waiting : {false, true}) {
    for (const Watched& rank : ranks_) {
      if (overdue(rank) && (rank.sign.section == Section::collective) == waiting)
        return words_of_overdue(rank);
    }
  }
  return std::nullopt;
}

std::string Judge::words_of_overdue(const Watched& rank) const {
  const Section section = rank.sign.section;
  std::string words = fmt::format("{}: {:.0f} s in {}, which is more than patience.{} allows", name(rank),
                                  rank.spent, place(rank.sign), section_name(section));
  if (section != Section::collective) return words;
  const auto elsewhere = std::ranges::find_if(ranks_, [](const Watched& other) {
    return other.watched && other.sign.section != Section::collective;
  });
  if (elsewhere == ranks_.end()) return words;
  return words + fmt::format("; meanwhile {} was in {}", name(*elsewhere), place(elsewhere->sign));
}

std::string Judge::name(const Watched& rank) const {
  const auto number = &rank - ranks_.data();
  return fmt::format("rank {} on {}", number, hosts_[static_cast<std::size_t>(number)]);
}

}  // namespace weft
