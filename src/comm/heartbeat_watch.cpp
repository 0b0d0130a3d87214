#include "heartbeat_watch.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "weft/core/wall_clock.hpp"

#include "heartbeat_judge.hpp"

namespace weft {
namespace {

using Kind = Message::Kind;

Message message_of(Kind kind, int rank, const std::string& text = {}) {
  Message message;
  message.kind = kind;
  message.rank = rank;
  message.set_text(text);
  return message;
}

Message message_of(const Sign& sign, int rank) {
  Message message = message_of(Kind::sign, rank, sign.stage);
  message.step = sign.step;
  message.section = static_cast<std::int32_t>(sign.section);
  message.seconds = sign.seconds;
  message.own_seconds = sign.own_seconds;
  message.memory = sign.memory;
  return message;
}

Sign sign_of(const Message& message) {
  const auto section = static_cast<Section>(std::clamp(message.section, 0, kSections - 1));
  return {message.text.data(), message.step, section, message.seconds, message.own_seconds, message.memory};
}

/// Tells how much time passed from one look to the next.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// A rank that is not watched may read or write while others wait for it, of which nobody tells.
Patience without_excuses(Patience patience) {
  const double longest = std::max({patience.step, patience.collective, patience.checkpoint, patience.read});
  patience.step = patience.collective = longest;
  return patience;
}

class WatchOverAll final : public Watch {
 public:
  WatchOverAll(std::map<int, Line> lines, std::vector<std::string> hosts, const Patience& patience,
               NewsOfRanks news)
      : lines_(std::move(lines)),
        judge_(hosts, lines_.size() + 1 == hosts.size() ? patience : without_excuses(patience)),
        news_(std::move(news)) {
    judge_.watch(0);
    for (const auto& [rank, line] : lines_) judge_.watch(rank);
  }

  std::optional<Alarm> look() override {
    const Sign own = own_sign(news_.memory);
    hear(0, own);
    for (auto& [rank, line] : lines_) listen(rank, line);
    part_with_those_gone();
    judge_.pass(stopwatch_.lap());
    const std::optional<std::string> words = judge_.verdict();
    tell_all(words ? message_of(Kind::alarm, 0, *words) : message_of(own, 0));
    if (words) return Alarm{*words, true};
    return std::nullopt;
  }

  void leave() override { tell_all(message_of(Kind::goodbye, 0)); }

 private:
  void hear(int rank, const Sign& sign) {
    judge_.heard(rank, sign);
    if (!news_.board) return;
    news_.board->post(
        rank, {seconds_since_1970(), sign.stage, sign.step, sign.own_seconds, sign.memory, std::nullopt});
  }

  void listen(int rank, Line& line) {
    while (const auto message = line.receive()) {
      if (message->kind == Kind::sign) hear(rank, sign_of(*message));
      if (message->kind == Kind::goodbye) {
        judge_.left(rank);
        ending_ = true;
      }
    }
  }

  /// After all have been heard: once a rank has left in order, the others are about to, or are being ended.
  void part_with_those_gone() {
    for (auto entry = lines_.begin(); entry != lines_.end();) {
      const auto& [rank, line] = *entry;
      if (!line.closed()) {
        ++entry;
        continue;
      }
      ending_ ? judge_.left(rank) : judge_.lost(rank);
      entry = lines_.erase(entry);
    }
    if (ending_ && !told_ending_) tell_all(message_of(Kind::ending, 0));
    told_ending_ = ending_;
  }

  void tell_all(const Message& message) {
    for (auto& [rank, line] : lines_) line.send(message);
  }

  std::map<int, Line> lines_;
  Judge judge_;
  NewsOfRanks news_;
  Stopwatch stopwatch_;
  bool ending_ = false;
  bool told_ending_ = false;
};

/// Of rank 0 the others notice death and silence; where it is stuck it says so itself.
Patience without_sections(Patience patience) {
  patience.step = patience.collective = patience.checkpoint = patience.read =
      std::numeric_limits<double>::infinity();
  return patience;
}

class WatchOverFirst final : public Watch {
 public:
  WatchOverFirst(Line line, std::vector<std::string> hosts, const Patience& patience, MemoryGauge memory,
                 int rank, bool leads)
      : line_(std::move(line)),
        judge_(std::move(hosts), without_sections(patience)),
        memory_(std::move(memory)),
        rank_(rank),
        leads_(leads) {
    judge_.watch(0);
  }

  std::optional<Alarm> look() override {
    if (const auto alarm = listen()) return alarm;
    if (line_.closed()) ending_ ? judge_.left(0) : judge_.lost(0);
    line_.send(message_of(own_sign(memory_), rank_));
    judge_.pass(stopwatch_.lap());
    if (const auto words = judge_.verdict()) return Alarm{*words, leads_};
    return std::nullopt;
  }

  void leave() override { line_.send(message_of(Kind::goodbye, rank_)); }

 private:
  std::optional<Alarm> listen() {
    while (const auto message = line_.receive()) {
      switch (message->kind) {
        case Kind::sign:
          judge_.heard(0, sign_of(*message));
          break;
        case Kind::goodbye:
        case Kind::ending:
          ending_ = true;
          break;
        case Kind::alarm:
          return Alarm{message->text.data(), false};
        case Kind::hello:
          break;
      }
    }
    return std::nullopt;
  }

  Line line_;
  Judge judge_;
  MemoryGauge memory_;
  Stopwatch stopwatch_;
  int rank_;
  bool leads_;
  bool ending_ = false;
};

}  // namespace

std::unique_ptr<Watch> watch_over_all(std::map<int, Line> lines, std::vector<std::string> hosts,
                                      const Patience& patience, const NewsOfRanks& news) {
  return std::make_unique<WatchOverAll>(std::move(lines), std::move(hosts), patience, news);
}

std::unique_ptr<Watch> watch_over_first(Line line, std::vector<std::string> hosts, const Patience& patience,
                                        const NewsOfRanks& news, int rank, bool leads) {
  return std::make_unique<WatchOverFirst>(std::move(line), std::move(hosts), patience, news.memory, rank,
                                          leads);
}

}  // namespace weft
