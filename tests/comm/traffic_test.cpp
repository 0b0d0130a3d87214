#include "weft/comm/traffic.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr auto kReduce = static_cast<std::size_t>(Collective::all_reduce);
constexpr auto kGather = static_cast<std::size_t>(Collective::all_gather);
constexpr auto kScatter = static_cast<std::size_t>(Collective::reduce_scatter);
constexpr auto kBroadcast = static_cast<std::size_t>(Collective::broadcast);

TEST(CountedGroup, CountsTheBytesOfAllBlocks) {
  const int ranks = test_world().size();
  const auto group = counted(test_world().split(0));
  const auto own = static_cast<std::size_t>(group->rank()) + 1;  // blocks that differ
  std::vector<std::int64_t> counts;
  for (int rank = 0; rank < ranks; ++rank) counts.push_back(rank + 1);
  const auto all = static_cast<std::size_t>(ranks * (ranks + 1) / 2);
  std::vector<double> values(own, 1.0), gathered(all);
  std::vector<float> single(3, 1.0F);

  const Traffic before = traffic();
  group->all_reduce(std::span<float>(single), Reduction::sum).wait();
  group->all_gather(std::span<double>(values), std::span<double>(gathered), counts).wait();
  group->reduce_scatter(std::span<double>(gathered), std::span<double>(values), counts).wait();
  group->broadcast(std::span<float>(single), 0).wait();
  group->barrier();
  const Traffic moved = traffic() - before;

  EXPECT_EQ(single[0], static_cast<float>(ranks)) << "the calls go through";
  EXPECT_EQ(values[0], ranks);
  const std::int64_t several = ranks > 1 ? 1 : 0;  // one rank alone moves nothing
  EXPECT_EQ(moved.bytes[kReduce], several * 3 * 4);
  EXPECT_EQ(moved.bytes[kGather], several * 8 * static_cast<std::int64_t>(all));
  EXPECT_EQ(moved.bytes[kScatter], several * 8 * static_cast<std::int64_t>(all));
  EXPECT_EQ(moved.bytes[kBroadcast], several * 3 * 4);
  for (const std::int64_t calls : moved.calls) EXPECT_EQ(calls, several);
}

TEST(CountedGroup, CountsThoseSplitOffIt) {
  const auto group = counted(test_world().split(0));
  const auto half = group->split(group->rank() % 2);
  double value = 1;
  const Traffic before = traffic();
  half->all_reduce(std::span(&value, 1), Reduction::sum).wait();
  EXPECT_EQ((traffic() - before).calls[kReduce], half->size() > 1 ? 1 : 0);
}

TEST(NoteTraffic, AddsWhatIsRepeated) {
  Traffic again;
  again.calls[kGather] = 2;
  again.bytes[kGather] = 300;
  const Traffic before = traffic();
  note_traffic(again);
  note_traffic(again);
  const Traffic moved = traffic() - before;
  EXPECT_EQ(moved.calls[kGather], 4);
  EXPECT_EQ(moved.bytes[kGather], 600);
  EXPECT_EQ(moved.bytes[kReduce], 0);
}

TEST(CollectiveName, IsThatOfTheCall) {
  EXPECT_EQ(collective_name(Collective::all_reduce), "all_reduce");
  EXPECT_EQ(collective_name(Collective::broadcast), "broadcast");
}

}  // namespace
}  // namespace weft
