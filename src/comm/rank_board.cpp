#include "weft/comm/rank_board.hpp"

#include <utility>

namespace weft {

void RankBoard::post(int rank, RankNews news) {
  const std::lock_guard lock(mutex_);
  RankNews& last = news_[rank];
  if (last.stage == news.stage && last.step > 0 && news.step > last.step) {
    news.step_seconds = (news.own_seconds - last.own_seconds) / static_cast<double>(news.step - last.step);
  } else if (last.stage == news.stage && news.step == last.step) {
    // A step that takes longer than the time between two signs: counted from where it began.
    news.own_seconds = last.own_seconds;
    news.step_seconds = last.step_seconds;
  }
  last = std::move(news);
}

std::map<int, RankNews> RankBoard::news() const {
  const std::lock_guard lock(mutex_);
  return news_;
}

}  // namespace weft
