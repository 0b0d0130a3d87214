#include "weft/comm/communicator.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"
#include "weft/core/philox.hpp"

#include "support/mpi_main.hpp"
#include "support/user_error.hpp"
#include "world_under_test.hpp"

namespace weft {
namespace {

/// A number of magnitude 1e-6 to 1e6, so that a sum over ranks depends on its order; small and whole for
/// whole types.
template <typename Scalar>
Scalar random_value(int rank, std::size_t i) {
  const Philox random(7, RandomStream::figures);
  const auto step = static_cast<std::uint64_t>(rank);
  if constexpr (std::is_floating_point_v<Scalar>) {
    const double magnitude = std::pow(10.0, 12 * random.uniform(step, 2 * i + 1) - 6);
    return static_cast<Scalar>(magnitude * random.normal(step, 2 * i));
  } else {
    return static_cast<Scalar>(random.below(60, step, i));
  }
}

constexpr std::size_t kPeriod = 4099;

/// What a rank brings to a collective: random values, repeated with a period that divides no count used here.
template <typename Scalar>
std::vector<Scalar> values_of(int rank, std::size_t count) {
  std::vector<Scalar> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = i < kPeriod ? random_value<Scalar>(rank, i) : values[i - kPeriod];
  return values;
}

/// What `ranks` ranks with values_of must reduce to, added up in rank order.
template <typename Scalar>
std::vector<Scalar> reduced(int ranks, std::size_t count, Reduction reduction) {
  std::vector<Scalar> result = values_of<Scalar>(0, count);
  for (int rank = 1; rank < ranks; ++rank) {
    const std::vector<Scalar> values = values_of<Scalar>(rank, count);
    for (std::size_t i = 0; i < count; ++i) {
      result[i] = reduction == Reduction::sum ? static_cast<Scalar>(result[i] + values[i])
                                              : std::max(result[i], values[i]);
    }
  }
  return result;
}

template <typename Scalar>
bool same_bits(const std::vector<Scalar>& a, const std::vector<Scalar>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Scalar)) == 0);
}

/// Whether `sum` is what `ranks` ranks with values_of add up to: bit for bit in rank order, or, where the
/// transport has an order of its own, to rounding.
template <typename Scalar>
bool is_sum(const std::vector<Scalar>& sum, int ranks) {
  const std::vector<Scalar> expected = reduced<Scalar>(ranks, sum.size(), Reduction::sum);
  if (world_adds_in_rank_order() || !std::is_floating_point_v<Scalar>) return same_bits(sum, expected);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    double magnitude = 0;
    for (int rank = 0; rank < ranks; ++rank)
      magnitude += std::abs(static_cast<double>(random_value<Scalar>(rank, i % kPeriod)));
    const double rounding = magnitude * ranks * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    if (!(std::abs(static_cast<double>(sum[i]) - static_cast<double>(expected[i])) <= rounding)) return false;
  }
  return true;
}

/// Whether all ranks of `group` have the same. @collective
template <typename Scalar>
bool same_on_all_ranks(Communicator& group, const std::vector<Scalar>& values) {
  std::vector<Scalar> of_first = values;
  group.broadcast(std::span(of_first), 0).wait();
  return same_bits(of_first, values);
}

/// Different for each rank, and none for the fourth.
std::vector<std::int64_t> uneven_counts(int ranks, std::int64_t scale) {
  std::vector<std::int64_t> counts;
  for (std::int64_t rank = 0; rank < ranks; ++rank) counts.push_back((3 * rank + 1) % 5 * scale);
  return counts;
}

std::size_t total(std::span<const std::int64_t> counts) {
  return static_cast<std::size_t>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
}

/// The rank's own block of `all`.
template <typename Scalar>
std::vector<Scalar> block_of(const std::vector<Scalar>& all, std::span<const std::int64_t> counts, int rank) {
  const auto first =
      all.begin() + static_cast<std::ptrdiff_t>(total(counts.first(static_cast<std::size_t>(rank))));
  return {first, first + counts[static_cast<std::size_t>(rank)]};
}

/// The blocks of the ranks' values_of, one after the other.
template <typename Scalar>
std::vector<Scalar> blocks_of_all(std::span<const std::int64_t> counts) {
  std::vector<Scalar> all;
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    const auto block = values_of<Scalar>(static_cast<int>(rank), static_cast<std::size_t>(counts[rank]));
    all.insert(all.end(), block.begin(), block.end());
  }
  return all;
}

template <typename Scalar>
class EveryType : public testing::Test {};
using ScalarTypes = testing::Types<float, double, std::int64_t, char>;
TYPED_TEST_SUITE(EveryType, ScalarTypes);

// The last count takes the way of large buffers, where each rank reduces a block.
template <typename Scalar>
constexpr std::size_t kReducedCounts[] = {0, 1, 2, 7, 1000, (std::size_t{1} << 20) / sizeof(Scalar) + 1};

TYPED_TEST(EveryType, AllReduceAddsInRankOrder) {
  Communicator& world = world_under_test();
  for (const std::size_t count : kReducedCounts<TypeParam>) {
    auto values = values_of<TypeParam>(world.rank(), count);
    world.all_reduce(std::span(values), Reduction::sum).wait();
    EXPECT_TRUE(is_sum(values, world.size())) << count << " elements";
    EXPECT_TRUE(same_on_all_ranks(world, values)) << count << " elements";
  }
}

TYPED_TEST(EveryType, AllReduceFindsTheLargest) {
  Communicator& world = world_under_test();
  for (const std::size_t count : kReducedCounts<TypeParam>) {
    auto values = values_of<TypeParam>(world.rank(), count);
    world.all_reduce(std::span(values), Reduction::max).wait();
    EXPECT_TRUE(same_bits(values, reduced<TypeParam>(world.size(), count, Reduction::max)))
        << count << " elements";
  }
}

TYPED_TEST(EveryType, AllGatherPutsUnevenBlocksInRankOrder) {
  Communicator& world = world_under_test();
  for (const std::int64_t scale : {0, 1, 5000}) {
    const auto counts = uneven_counts(world.size(), scale);
    const auto expected = blocks_of_all<TypeParam>(counts);
    auto own = block_of(expected, counts, world.rank());
    std::vector<TypeParam> gathered(expected.size());
    world.all_gather(std::span(own), std::span(gathered), counts).wait();
    EXPECT_TRUE(same_bits(gathered, expected)) << "scale " << scale;
  }
}

TYPED_TEST(EveryType, AllGatherTakesTheOwnBlockWhereItLies) {
  Communicator& world = world_under_test();
  const auto counts = uneven_counts(world.size(), 3);
  const auto expected = blocks_of_all<TypeParam>(counts);
  const auto own_block = block_of(expected, counts, world.rank());
  std::vector<TypeParam> gathered(expected.size());
  const auto place = total(std::span(counts).first(static_cast<std::size_t>(world.rank())));
  const std::span<TypeParam> own = std::span(gathered).subspan(place, own_block.size());
  std::copy(own_block.begin(), own_block.end(), own.begin());
  world.all_gather(own, std::span(gathered), counts).wait();
  EXPECT_TRUE(same_bits(gathered, expected));
}

TYPED_TEST(EveryType, ReduceScatterLeavesEachRankItsBlockOfTheSum) {
  Communicator& world = world_under_test();
  for (const std::int64_t scale : {0, 1, 5000}) {
    const auto counts = uneven_counts(world.size(), scale);
    auto blocks = values_of<TypeParam>(world.rank(), total(counts));
    std::vector<TypeParam> own(static_cast<std::size_t>(counts[static_cast<std::size_t>(world.rank())]));
    world.reduce_scatter(std::span(blocks), std::span(own), counts).wait();
    std::vector<TypeParam> sum(blocks.size());
    world.all_gather(std::span(own), std::span(sum), counts).wait();
    EXPECT_TRUE(is_sum(sum, world.size())) << "scale " << scale;
    EXPECT_TRUE(same_bits(blocks, values_of<TypeParam>(world.rank(), blocks.size())))
        << "the input was changed";
  }
}

TYPED_TEST(EveryType, BroadcastHandsOutTheRootsValues) {
  Communicator& world = world_under_test();
  for (int root = 0; root < world.size(); ++root) {
    auto values = values_of<TypeParam>(world.rank(), 77);
    world.broadcast(std::span(values), root).wait();
    EXPECT_TRUE(same_bits(values, values_of<TypeParam>(root, 77))) << "root " << root;
  }
}

TEST(Communicator, TestValuesShowTheOrderOfAdding) {
  // Without this the tests of rank order could pass with any order.
  const std::vector<float> in_order = reduced<float>(4, 1000, Reduction::sum);
  std::size_t different = 0;
  for (std::size_t i = 0; i < in_order.size(); ++i) {
    float backwards = 0;
    for (int rank = 3; rank >= 0; --rank) backwards += random_value<float>(rank, i);
    different += backwards != in_order[i];
  }
  EXPECT_GT(different, 100U);
}

TEST(Communicator, ANanOnOneRankIsTheMaximum) {
  Communicator& world = world_under_test();
  for (int broken = 0; broken < world.size(); ++broken) {
    double value = world.rank() == broken ? std::numeric_limits<double>::quiet_NaN() : world.rank();
    world.all_reduce(std::span(&value, 1), Reduction::max).wait();
    EXPECT_TRUE(std::isnan(value)) << "NaN on rank " << broken << " became " << value;
  }
}

TEST(Communicator, ManyCollectivesAreUnderWayAtOnce) {
  Communicator& world = world_under_test();
  const auto counts = uneven_counts(world.size(), 100);
  auto small = values_of<double>(world.rank(), 10);
  auto large = values_of<double>(world.rank(), 400'000);
  const auto gathered_expected = blocks_of_all<float>(counts);
  auto own = block_of(gathered_expected, counts, world.rank());
  std::vector<float> gathered(gathered_expected.size());
  auto blocks = values_of<float>(world.rank(), total(counts));
  std::vector<float> sum(own.size());
  auto sent = values_of<std::int64_t>(world.rank(), 5);

  std::vector<Pending> pending;
  pending.push_back(world.all_reduce(std::span(large), Reduction::sum));
  pending.push_back(world.all_reduce(std::span(small), Reduction::max));
  pending.push_back(world.all_gather(std::span(own), std::span(gathered), counts));
  pending.push_back(world.reduce_scatter(std::span(blocks), std::span(sum), counts));
  pending.push_back(world.broadcast(std::span(sent), world.size() - 1));
  for (Pending& one : pending) one.wait();

  EXPECT_TRUE(is_sum(large, world.size()));
  EXPECT_TRUE(same_bits(small, reduced<double>(world.size(), small.size(), Reduction::max)));
  EXPECT_TRUE(same_bits(gathered, gathered_expected));
  std::vector<float> whole_sum(blocks.size());
  world.all_gather(std::span(sum), std::span(whole_sum), counts).wait();
  EXPECT_TRUE(is_sum(whole_sum, world.size()));
  EXPECT_TRUE(same_bits(sent, values_of<std::int64_t>(world.size() - 1, 5)));
}

TEST(Communicator, GroupsThatWereSplitOffWorkBesideEachOther) {
  Communicator& world = world_under_test();
  const auto parity = world.split(world.rank() % 2);
  EXPECT_EQ(parity->rank(), world.rank() / 2);
  EXPECT_EQ(parity->size(), (world.size() + 1 - world.rank() % 2) / 2);
  std::int64_t sum = world.rank();
  std::int64_t sum_of_all = world.rank();
  Pending in_group = parity->all_reduce(std::span(&sum, 1), Reduction::sum);
  Pending in_world = world.all_reduce(std::span(&sum_of_all, 1), Reduction::sum);
  in_group.wait();
  in_world.wait();
  std::int64_t expected = 0;
  for (int rank = world.rank() % 2; rank < world.size(); rank += 2) expected += rank;
  EXPECT_EQ(sum, expected);
  EXPECT_EQ(sum_of_all, world.size() * (world.size() - 1) / 2);
}

TEST(Communicator, CountsBeyondMpisAreAUserError) {
  // The check comes before any of the data are touched.
  float one = 0;
  Buffer huge(std::span(&one, 1));
  huge.count = std::size_t{INT_MAX} + 1;
  expect_user_error([&] { test_world().broadcast(huge, 0).wait(); },
                    {"2147483648 elements", "at most 2147483647"});
}

void expect_internal_error(const std::function<void()>& action, std::string_view part) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(std::string(part)));
  }
}

void expect_contract_is_checked(Communicator& group) {
  const std::vector<std::int64_t> twos(static_cast<std::size_t>(group.size()), 2);
  const std::vector<std::int64_t> too_many(static_cast<std::size_t>(group.size()) + 1, 2);
  std::vector<float> one(1), two(2), all(2 * twos.size()), too_long(all.size() + 1);
  std::vector<double> all_double(all.size());
  expect_internal_error([&] { group.all_gather(std::span(two), std::span(all), too_many).wait(); },
                        "one count for each rank");
  expect_internal_error([&] { group.all_gather(std::span(one), std::span(all), twos).wait(); },
                        "differs from its count");
  expect_internal_error([&] { group.all_gather(std::span(two), std::span(too_long), twos).wait(); },
                        "sum of the counts");
  expect_internal_error([&] { group.all_gather(std::span(two), std::span(all_double), twos).wait(); },
                        "differ in type");
  expect_internal_error([&] { group.reduce_scatter(std::span(all), std::span(one), twos).wait(); },
                        "differs from its count");
  expect_internal_error([&] { group.broadcast(std::span(two), group.size()).wait(); }, "not in the group");
}

TEST(Communicator, WrongCountsAreBugs) {
  expect_contract_is_checked(test_world());
  expect_contract_is_checked(*make_self_communicator());
}

TEST(SelfCommunicator, EveryCollectiveIsACopy) {
  const auto alone = make_self_communicator();
  const std::vector<std::int64_t> three{3};
  std::vector<double> own{1, 2, 3}, gathered(3), sum(3);
  alone->all_gather(std::span(own), std::span(gathered), three).wait();
  alone->reduce_scatter(std::span(own), std::span(sum), three).wait();
  alone->all_reduce(std::span(own), Reduction::sum).wait();
  alone->broadcast(std::span(own), 0).wait();
  EXPECT_THAT(gathered, testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(sum, testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(own, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(alone->split(5)->size(), 1);
}

TEST(Pending, WaitsOnceThoughAskedTwice) {
  int waits = 0;
  {
    Pending pending([&] { ++waits; });
    pending.wait();
    pending.wait();
  }
  EXPECT_EQ(waits, 1);
}

TEST(Pending, WaitsWhenDroppedOrReplacedButNotWhenMovedFrom) {
  int first = 0, second = 0;
  {
    Pending pending([&] { ++first; });
    Pending moved(std::move(pending));
    EXPECT_EQ(first, 0);
    moved = Pending([&] { ++second; });
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 0);
  }
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
}

TEST(Pending, AFailureLeavesWaitButNotTheDestructor) {
  const auto fail = [] { throw UserError("the wire is cut"); };
  Pending pending(fail);
  expect_user_error([&] { pending.wait(); }, {"the wire is cut"});
  EXPECT_NO_THROW({ const Pending dropped(fail); });
}

}  // namespace
}  // namespace weft
