#include "weft/comm/rank_board.hpp"

#include <gtest/gtest.h>

namespace weft {
namespace {

RankNews at(const char* stage, std::int64_t step, double own_seconds) {
  RankNews news;
  news.stage = stage;
  news.step = step;
  news.own_seconds = own_seconds;
  return news;
}

TEST(RankBoard, WorksOutARanksOwnTimeInAStep) {
  RankBoard board;
  board.post(2, at("train", 0, 0.5));
  board.post(2, at("train", 10, 1.5));
  EXPECT_FALSE(board.news().at(2).step_seconds) << "the first steps come with what is done once";
  board.post(2, at("train", 30, 2.5));
  ASSERT_TRUE(board.news().at(2).step_seconds);
  EXPECT_DOUBLE_EQ(*board.news().at(2).step_seconds, 0.05);
}

TEST(RankBoard, CountsAStepThatOutlastsItsSignsAsAWhole) {
  RankBoard board;
  board.post(0, at("train", 1, 1));
  board.post(0, at("train", 2, 3));
  EXPECT_DOUBLE_EQ(*board.news().at(0).step_seconds, 2);
  board.post(0, at("train", 2, 4));
  EXPECT_DOUBLE_EQ(*board.news().at(0).step_seconds, 2) << "the last that is known";
  board.post(0, at("train", 2, 7));
  board.post(0, at("train", 3, 8));
  EXPECT_DOUBLE_EQ(*board.news().at(0).step_seconds, 5) << "from 3 to 8";
}

TEST(RankBoard, BeginsAnewWithAStage) {
  RankBoard board;
  board.post(0, at("simulate", 100, 1));
  board.post(0, at("simulate", 200, 2));
  board.post(0, at("train", 300, 1));
  EXPECT_FALSE(board.news().at(0).step_seconds);
  EXPECT_EQ(board.news().at(0).stage, "train");
}

TEST(RankBoard, KeepsTheNewestOfEachRank) {
  RankBoard board;
  board.post(1, at("train", 5, 1));
  RankNews news = at("train", 7, 1);
  news.heard_at = 12;
  news.memory.resident = 99;
  board.post(3, news);
  EXPECT_EQ(board.news().size(), 2U);
  EXPECT_EQ(board.news().at(3).heard_at, 12);
  EXPECT_EQ(board.news().at(3).memory.resident, 99);
}

}  // namespace
}  // namespace weft
