#include "weft/core/philox.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

using Words = Philox::Words;
using Key = std::array<std::uint32_t, 2>;

/// Philox 4x32-10 written down once more, after the paper's figure: on words (L0, R0, L1, R1).
Words slow_philox(Words counter, Key key) {
  const auto high = [](std::uint64_t product) {
    return static_cast<std::uint32_t>(product / 0x1'0000'0000U);
  };
  const auto low = [](std::uint64_t product) { return static_cast<std::uint32_t>(product % 0x1'0000'0000U); };
  for (std::uint32_t round = 0; round < 10; ++round) {
    const std::uint32_t key0 = key[0] + round * 0x9E3779B9U;
    const std::uint32_t key1 = key[1] + round * 0xBB67AE85U;
    const std::uint64_t product0 = 0xD2511F53ULL * counter[0];
    const std::uint64_t product1 = 0xCD9E8D57ULL * counter[2];
    counter = {high(product1) ^ counter[1] ^ key0, low(product1), high(product0) ^ counter[3] ^ key1,
               low(product0)};
  }
  return counter;
}

TEST(Philox, TheSlowVersionGivesThePublishedAnswers) {
  // Known answers of the authors' library Random123 for philox4x32-10.
  constexpr std::uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(slow_philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  EXPECT_EQ(slow_philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(slow_philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}),
            (Words{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

TEST(Philox, WordsAreThoseOfTheSlowVersion) {
  // This pins every simulated dataset: a change here changes what a seed means.
  const std::uint64_t seed = 0x0123'4567'89AB'CDEF;
  const Words mixed = slow_philox({0x89ABCDEF, 0x01234567, 3, 0}, {0, 0});
  const Philox random(seed, RandomStream::process_noise);
  EXPECT_EQ(random.words(5, 9), slow_philox({9, 0, 5, 0}, {mixed[0], mixed[1]}));
  EXPECT_EQ(random.words(0x1'0000'0002, 0x3'0000'0004), slow_philox({4, 3, 2, 1}, {mixed[0], mixed[1]}));
}

constexpr std::size_t kDraws = 100'000;
// Bounds below are four standard errors for this many draws.

template <typename Draw>
std::vector<double> draws(Draw draw) {
  std::vector<double> values(kDraws);
  for (std::size_t i = 0; i < kDraws; ++i) values[i] = draw(i);
  return values;
}

double mean_of_power(const std::vector<double>& values, double center, int power) {
  double sum = 0;
  for (const double value : values) sum += std::pow(value - center, power);
  return sum / static_cast<double>(values.size());
}

double mean_product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum / static_cast<double>(a.size());
}

double standard_errors(double count, double variance = 1) { return 4 * std::sqrt(variance / count); }

TEST(Philox, NumbersDoNotDependOnTheOrderOfAsking) {
  const Philox forwards(42, RandomStream::initial_state);
  const Philox backwards(42, RandomStream::initial_state);
  std::vector<double> first, second;
  for (std::uint64_t step = 0; step < 50; ++step) {
    for (std::uint64_t item = 0; item < 20; ++item) first.push_back(forwards.normal(step, item));
  }
  for (std::uint64_t step = 50; step-- > 0;) {
    for (std::uint64_t item = 20; item-- > 0;) second.push_back(backwards.normal(step, item));
  }
  std::reverse(second.begin(), second.end());
  EXPECT_EQ(first, second);
}

TEST(Philox, UniformFillsTheOpenIntervalEvenly) {
  const Philox random(1, RandomStream::figures);
  const auto values = draws([&](std::uint64_t i) { return random.uniform(0, i); });
  EXPECT_GT(*std::min_element(values.begin(), values.end()), 0.0);
  EXPECT_LT(*std::max_element(values.begin(), values.end()), 1.0);
  EXPECT_NEAR(mean_of_power(values, 0, 1), 0.5, standard_errors(kDraws, 1.0 / 12));
  EXPECT_NEAR(mean_of_power(values, 0.5, 2), 1.0 / 12, standard_errors(kDraws, 1.0 / 180));
  constexpr std::size_t kBins = 64;
  std::vector<double> bins(kBins);
  for (const double value : values) ++bins[static_cast<std::size_t>(value * kBins)];
  double chi_squared = 0;
  for (const double bin : bins)
    chi_squared += std::pow(bin - double{kDraws} / kBins, 2) / (double{kDraws} / kBins);
  EXPECT_NEAR(chi_squared, kBins - 1, 4 * std::sqrt(2.0 * (kBins - 1)));
}

TEST(Philox, NormalHasTheMomentsOfTheStandardNormal) {
  const Philox random(2, RandomStream::figures);
  const auto values = draws([&](std::uint64_t i) { return random.normal(i, 17); });
  EXPECT_NEAR(mean_of_power(values, 0, 1), 0, standard_errors(kDraws));
  EXPECT_NEAR(mean_of_power(values, 0, 2), 1, standard_errors(kDraws, 2));
  EXPECT_NEAR(mean_of_power(values, 0, 3), 0, standard_errors(kDraws, 15));
  EXPECT_NEAR(mean_of_power(values, 0, 4), 3, standard_errors(kDraws, 96));
}

TEST(Philox, CauchyHasItsQuartilesAtMinusOneZeroAndOne) {
  const Philox random(3, RandomStream::figures);
  auto values = draws([&](std::uint64_t i) { return random.cauchy(0, i); });
  std::sort(values.begin(), values.end());
  // A quantile p has the standard error sqrt(p (1 - p) / n) / density; the density is 1 / (pi (1 + x^2)).
  const double pi = std::acos(-1.0);
  EXPECT_NEAR(values[kDraws / 4], -1, standard_errors(kDraws, 3.0 / 16) * 2 * pi);
  EXPECT_NEAR(values[kDraws / 2], 0, standard_errors(kDraws, 1.0 / 4) * pi);
  EXPECT_NEAR(values[3 * kDraws / 4], 1, standard_errors(kDraws, 3.0 / 16) * 2 * pi);
}

TEST(Philox, NeighboursAreUncorrelated) {
  const auto normals = [](std::uint64_t seed, RandomStream stream, std::uint64_t step,
                          std::uint64_t first_item) {
    const Philox random(seed, stream);
    return draws([&](std::uint64_t i) { return random.normal(step, first_item + i); });
  };
  const auto reference = normals(7, RandomStream::process_noise, 0, 0);
  const double bound = standard_errors(kDraws);
  EXPECT_NEAR(mean_product(reference, normals(7, RandomStream::process_noise, 0, 1)), 0, bound)
      << "next item";
  EXPECT_NEAR(mean_product(reference, normals(7, RandomStream::process_noise, 1, 0)), 0, bound)
      << "next step";
  EXPECT_NEAR(mean_product(reference, normals(8, RandomStream::process_noise, 0, 0)), 0, bound)
      << "next seed";
  EXPECT_NEAR(mean_product(reference, normals(7, RandomStream::initial_state, 0, 0)), 0, bound)
      << "other stream";
}

TEST(Philox, SeedsStreamsStepsAndItemsNeverShareWords) {
  std::set<Words> seen;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32, ~0ULL}) {
    for (const auto stream :
         {RandomStream::connectivity, RandomStream::initial_state, RandomStream::figures}) {
      const Philox random(seed, stream);
      for (const std::uint64_t step : {0ULL, 1ULL, 1ULL << 32, ~0ULL}) {
        for (const std::uint64_t item : {0ULL, 1ULL, 1ULL << 32, ~0ULL})
          seen.insert(random.words(step, item));
      }
    }
  }
  EXPECT_EQ(seen.size(), 4U * 3 * 4 * 4);
}

TEST(Philox, BelowCoversItsRangeEvenly) {
  const Philox random(4, RandomStream::training_frames);
  constexpr std::uint64_t kBound = 7;
  std::vector<double> counts(kBound);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const std::uint64_t value = random.below(kBound, i, 0);
    ASSERT_LT(value, kBound);
    ++counts[value];
  }
  const double expected = double{kDraws} / kBound;
  EXPECT_THAT(counts, testing::Each(testing::DoubleNear(expected, 4 * std::sqrt(expected))));
}

TEST(Philox, BelowHoldsForTheSmallestAndForLargeBounds) {
  const Philox random(5, RandomStream::training_frames);
  const std::uint64_t large = (1ULL << 63) + 1;
  std::uint64_t largest = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(random.below(1, i, 0), 0U);
    largest = std::max(largest, random.below(large, i, 0));
  }
  EXPECT_LT(largest, large);
  EXPECT_GT(largest, large / 100 * 98);
}

}  // namespace
}  // namespace weft
