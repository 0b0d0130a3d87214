#include "weft/eval/clustering.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "weft/core/philox.hpp"

namespace weft {
namespace {

/// `each` points around each centre, interleaved.
std::vector<Latent> planted(const std::vector<Latent>& centres, std::int64_t each, double spread) {
  const Philox random(3, RandomStream::figures);
  std::vector<Latent> points;
  for (std::int64_t i = 0; i < each; ++i) {
    for (const Latent& centre : centres) {
      const std::uint64_t step = points.size();
      points.push_back(
          {centre[0] + spread * random.normal(step, 0), centre[1] + spread * random.normal(step, 1)});
    }
  }
  return points;
}

const std::vector<Latent> kFiveCentres{{0, 0}, {1, 0}, {0, 1}, {1.2, 1.1}, {3, 0.5}};

double distance(const Latent& a, const Latent& b) { return std::hypot(a[0] - b[0], a[1] - b[1]); }

/// Rousseeuw's definition, cluster by cluster.
double plain_silhouette(const std::vector<Latent>& points, const Clustering& clustering) {
  double total = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    double own = 0, nearest_other = 1e300;
    bool alone = false;
    for (std::int64_t k = 0; k < clustering.count; ++k) {
      double sum = 0, others = 0;
      for (std::size_t j = 0; j < points.size(); ++j) {
        if (j == i || clustering.label[j] != k) continue;
        sum += distance(points[i], points[j]);
        ++others;
      }
      if (k == clustering.label[i]) {
        alone = others == 0;
        own = alone ? 0 : sum / others;
      } else {
        nearest_other = std::min(nearest_other, sum / others);
      }
    }
    if (!alone) total += (nearest_other - own) / std::max(nearest_other, own);
  }
  return total / static_cast<double>(points.size());
}

TEST(FindNeuronTypes, FindsPlantedClustersAndTheirNumberAmongMorePointsThanTheSample) {
  const auto points = planted(kFiveCentres, 700, 0.08);
  const NeuronTypes found = find_neuron_types(points, 5);
  ASSERT_EQ(found.clusters.count, 5);
  for (std::size_t i = 0; i < points.size(); ++i) EXPECT_EQ(found.clusters.label[i], i % 5) << "point " << i;
  EXPECT_GT(*found.silhouette, 0.7);
}

TEST(FindNeuronTypes, TellsTwoClustersFromTen) {
  std::vector<Latent> ten;
  for (int k = 0; k < 10; ++k) ten.push_back({std::cos(0.2 * M_PI * k), std::sin(0.2 * M_PI * k)});
  EXPECT_EQ(find_neuron_types(planted(ten, 40, 0.03), 5).clusters.count, 10);
  EXPECT_EQ(find_neuron_types(planted({{0, 0}, {1, 0}}, 40, 0.1), 5).clusters.count, 2);
}

TEST(FindNeuronTypes, MakesOneClusterOfPointsThatAgree) {
  const std::vector<Latent> points(30, Latent{1, 1});
  const NeuronTypes found = find_neuron_types(points, 5);
  EXPECT_EQ(found.clusters.count, 1);
  EXPECT_EQ(found.clusters.label, std::vector<std::int64_t>(30, 0));
  EXPECT_FALSE(found.silhouette);
}

TEST(FindNeuronTypes, MakesOneClusterOfTwoPoints) {
  EXPECT_EQ(find_neuron_types(std::vector<Latent>{{0, 0}, {1, 1}}, 5).clusters.count, 1);
}

TEST(KMeans, FindsNoMoreClustersThanThereAreDifferentPoints) {
  const std::vector<Latent> points{{0, 0}, {1, 1}, {0, 0}, {2, 2}, {1, 1}};
  const Clustering clustering = k_means(points, 5, 1);
  EXPECT_EQ(clustering.count, 3);
  EXPECT_EQ(clustering.label, (std::vector<std::int64_t>{0, 1, 0, 2, 1}));
}

TEST(KMeans, LeavesEveryPointWithItsNearestMean) {
  const auto points = planted(kFiveCentres, 60, 0.5);
  const Clustering clustering = k_means(points, 4, 9);
  ASSERT_EQ(clustering.count, 4);
  std::vector<Latent> means(4, Latent{});
  std::vector<double> sizes(4);
  for (std::size_t i = 0; i < points.size(); ++i) ++sizes[clustering.label[i]];
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (int axis = 0; axis < 2; ++axis) {
      means[clustering.label[i]][axis] += points[i][axis] / sizes[clustering.label[i]];
    }
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (int k = 0; k < 4; ++k) {
      EXPECT_LE(distance(points[i], means[clustering.label[i]]), distance(points[i], means[k]) + 1e-12);
    }
  }
}

TEST(Silhouette, AgreesWithThePlainFormula) {
  auto points = planted(kFiveCentres, 20, 0.4);
  Clustering clustering = k_means(points, 4, 2);
  points.push_back({9, 9});
  clustering.label.push_back(clustering.count++);
  EXPECT_NEAR(*silhouette(points, clustering), plain_silhouette(points, clustering), 1e-13);
}

TEST(Silhouette, IsUndefinedForOneCluster) {
  EXPECT_FALSE(silhouette(std::vector<Latent>{{0, 0}, {1, 0}}, {{0, 0}, 1}));
}

TEST(SingleLinkage, JoinsWhatAChainOfShortStepsJoins) {
  const std::vector<Latent> points{{0, 0}, {5, 5}, {0.3, 0}, {0.1, 0}, {0.2, 0}, {5.05, 5}, {0.45, 0}};
  const Clustering clustering = single_linkage(points, 0.101);
  EXPECT_EQ(clustering.count, 3);
  EXPECT_EQ(clustering.label, (std::vector<std::int64_t>{0, 1, 0, 0, 0, 1, 2}));
}

TEST(SingleLinkage, IsTheTransitiveClosureOfNearness) {
  const auto points = planted(kFiveCentres, 30, 0.2);
  const std::size_t n = points.size();
  std::vector<std::vector<char>> joined(n, std::vector<char>(n));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) joined[i][j] = distance(points[i], points[j]) <= 0.12;
  }
  for (std::size_t via = 0; via < n; ++via) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) joined[i][j] |= static_cast<char>(joined[i][via] & joined[via][j]);
    }
  }
  const Clustering clustering = single_linkage(points, 0.12);
  EXPECT_GT(clustering.count, 5);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      EXPECT_EQ(clustering.label[i] == clustering.label[j], joined[i][j] != 0) << i << " " << j;
    }
  }
}

TEST(ReferenceClusters, AreBlindToAffineMapsCommonToBothAxes) {
  auto points = planted(kFiveCentres, 30, 0.05);
  const Clustering before = reference_clusters(points);
  for (Latent& point : points) point = {40 * point[0] - 3, 40 * point[1] - 3};
  EXPECT_EQ(reference_clusters(points).label, before.label);
}

/// The most points that any one-to-one assignment agrees with, over all permutations.
std::int64_t brute_force(const std::vector<std::int64_t>& table, std::int64_t clusters, std::int64_t types) {
  std::vector<std::int64_t> order(std::max(clusters, types));
  std::iota(order.begin(), order.end(), 0);
  std::int64_t best = 0;
  do {
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < clusters; ++k) {
      if (order[k] < types) sum += table[k * types + order[k]];
    }
    best = std::max(best, sum);
  } while (std::ranges::next_permutation(order).found);
  return best;
}

TEST(BestMatching, AgreesWithBruteForce) {
  const Philox random(17, RandomStream::figures);
  std::uint64_t step = 0;
  for (const auto& [clusters, types] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {4, 4}, {6, 6}, {3, 7}, {7, 3}, {7, 7}}) {
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::vector<std::int64_t> table(clusters * types);
      for (auto& count : table) count = static_cast<std::int64_t>(random.below(20, ++step, 0));
      const auto type_of = best_matching(table, clusters, types);
      std::int64_t sum = 0;
      std::vector<int> uses(types);
      for (std::int64_t k = 0; k < clusters; ++k) {
        if (type_of[k] < 0) continue;
        sum += table[k * types + type_of[k]];
        EXPECT_EQ(++uses[type_of[k]], 1) << "type " << type_of[k] << " taken twice";
      }
      EXPECT_EQ(sum, brute_force(table, clusters, types));
    }
  }
}

TEST(MatchedAccuracy, CountsPointsOfUnmatchedClustersAsWrong) {
  // Type 0 is split over clusters 0 (3 points) and 2 (2 points); type 1 is cluster 1.
  const Clustering clustering{{0, 0, 0, 1, 1, 2, 2}, 3};
  EXPECT_DOUBLE_EQ(matched_accuracy(clustering, std::vector<std::int64_t>{0, 0, 0, 1, 1, 0, 0}), 5.0 / 7);
}

TEST(MatchedAccuracy, MatchesOneToOneWhereTwoTypesShareACluster) {
  const Clustering clustering{{0, 0, 0, 0, 1, 1}, 2};
  EXPECT_DOUBLE_EQ(matched_accuracy(clustering, std::vector<std::int64_t>{0, 0, 0, 1, 2, 2}), 5.0 / 6);
}

TEST(ReferenceAccuracy, GivesASharedClusterToTheLaterType) {
  const Clustering clustering{{0, 0, 0, 0, 1, 1}, 2};
  EXPECT_DOUBLE_EQ(reference_accuracy(clustering, std::vector<std::int64_t>{0, 0, 0, 1, 2, 2}), 3.0 / 6);
}

TEST(ReferenceAccuracy, RoundsAHalfWayMedianToEven) {
  // Type 0 has labels 0 and 1, median 0.5, so cluster 0; type 1 has 1 and 2, median 1.5, so cluster 2.
  const Clustering clustering{{0, 1, 1, 2}, 3};
  EXPECT_DOUBLE_EQ(reference_accuracy(clustering, std::vector<std::int64_t>{0, 0, 1, 1}), 2.0 / 4);
}

}  // namespace
}  // namespace weft
