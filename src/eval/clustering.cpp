#include "weft/eval/clustering.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "weft/core/error.hpp"
#include "weft/core/philox.hpp"

#include "eval/collect.hpp"

namespace weft {
namespace {

constexpr int kKMeansStarts = 8;
constexpr int kLloydRounds = 300;
constexpr std::int64_t kMostTypes = 10;
constexpr std::int64_t kSilhouettePoints = 1500;
constexpr double kReferenceCut = 0.1;

double squared_distance(const Latent& a, const Latent& b) {
  const double first = a[0] - b[0], second = a[1] - b[1];
  return first * first + second * second;
}

/// Numbers the labels that occur from 0, in order of first occurrence.
Clustering renumbered(std::vector<std::int64_t> labels) {
  const std::int64_t bound = labels.empty() ? 0 : *std::ranges::max_element(labels) + 1;
  std::vector<std::int64_t> number(bound, -1);
  Clustering clustering;
  for (std::int64_t& label : labels) {
    if (number[label] < 0) number[label] = clustering.count++;
    label = number[label];
  }
  clustering.label = std::move(labels);
  return clustering;
}

/// k-means++: each centre is a point drawn with a chance proportional to its squared distance from those
/// before.
std::vector<Latent> draw_centres(std::span<const Latent> points, std::int64_t clusters, const Philox& random,
                                 std::uint64_t step) {
  std::vector<Latent> centres{points[random.below(points.size(), step, 0)]};
  std::vector<double> distance(points.size(), std::numeric_limits<double>::infinity());
  while (std::ssize(centres) < clusters) {
    double total = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      distance[i] = std::min(distance[i], squared_distance(points[i], centres.back()));
      total += distance[i];
    }
    if (total == 0) break;
    double left = total * random.uniform(step, centres.size());
    std::size_t drawn = points.size();
    for (std::size_t i = 0; i < points.size() && (drawn == points.size() || left > 0); ++i) {
      if (distance[i] > 0) drawn = i;
      left -= distance[i];
    }
    centres.push_back(points[drawn]);
  }
  return centres;
}

/// Labels every point with its nearest centre; true where a label changed. Leaves the sum of squared
/// distances in cost.
bool assign(std::span<const Latent> points, std::span<const Latent> centres,
            std::vector<std::int64_t>& labels, double& cost) {
  bool changed = false;
  cost = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::int64_t nearest = 0;
    double distance = squared_distance(points[i], centres[0]);
    for (std::int64_t k = 1; k < std::ssize(centres); ++k) {
      const double other = squared_distance(points[i], centres[k]);
      if (other < distance) nearest = k, distance = other;
    }
    changed |= labels[i] != nearest;
    labels[i] = nearest;
    cost += distance;
  }
  return changed;
}

/// Moves every centre to the mean of its points; one without points stays.
void move_centres(std::span<const Latent> points, std::span<const std::int64_t> labels,
                  std::vector<Latent>& centres) {
  std::vector<Latent> sums(centres.size(), Latent{});
  std::vector<double> counts(centres.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (int axis = 0; axis < 2; ++axis) sums[labels[i]][axis] += points[i][axis];
    ++counts[labels[i]];
  }
  for (std::size_t k = 0; k < centres.size(); ++k) {
    if (counts[k] > 0) centres[k] = {sums[k][0] / counts[k], sums[k][1] / counts[k]};
  }
}

struct LloydResult {
  std::vector<std::int64_t> labels;
  double cost = 0;
};

LloydResult run_lloyd(std::span<const Latent> points, std::vector<Latent> centres) {
  LloydResult result;
  result.labels.assign(points.size(), -1);
  for (int round = 0; round < kLloydRounds && assign(points, centres, result.labels, result.cost); ++round) {
    move_centres(points, result.labels, centres);
  }
  return result;
}

std::vector<Latent> cluster_means(std::span<const Latent> points, const Clustering& clustering) {
  std::vector<Latent> means(clustering.count);
  move_centres(points, clustering.label, means);
  return means;
}

/// The mean of the two middle values of labels in any order, rounded with halves to even.
std::int64_t median_label(std::vector<std::int64_t> labels) {
  std::ranges::sort(labels);
  const std::size_t size = labels.size();
  const auto middle = static_cast<double>(labels[(size - 1) / 2] + labels[size / 2]);
  return static_cast<std::int64_t>(std::nearbyint(middle / 2));
}

std::int64_t count_types(std::span<const std::int64_t> types) {
  return types.empty() ? 0 : *std::ranges::max_element(types) + 1;
}

}  // namespace

Clustering k_means(std::span<const Latent> points, std::int64_t clusters, std::uint64_t seed) {
  require(!points.empty() && clusters >= 1, "k-means has points and clusters");
  const Philox random(seed, RandomStream::clustering);
  LloydResult best{.labels = {}, .cost = std::numeric_limits<double>::infinity()};
  for (int start = 0; start < kKMeansStarts; ++start) {
    const auto step = static_cast<std::uint64_t>(clusters * kKMeansStarts + start);
    LloydResult result = run_lloyd(points, draw_centres(points, clusters, random, step));
    if (result.cost < best.cost) best = std::move(result);
  }
  return renumbered(std::move(best.labels));
}

std::optional<double> silhouette(std::span<const Latent> points, const Clustering& clustering) {
  if (clustering.count < 2) return std::nullopt;
  std::vector<double> sizes(clustering.count);
  for (const std::int64_t label : clustering.label) ++sizes[label];
  double total = 0;
  std::vector<double> sums(clustering.count);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::int64_t own = clustering.label[i];
    if (sizes[own] == 1) continue;
    std::ranges::fill(sums, 0.0);
    for (std::size_t j = 0; j < points.size(); ++j) {
      sums[clustering.label[j]] += std::sqrt(squared_distance(points[i], points[j]));
    }
    double other = std::numeric_limits<double>::infinity();
    for (std::int64_t k = 0; k < clustering.count; ++k) {
      if (k != own) other = std::min(other, sums[k] / sizes[k]);
    }
    const double inside = sums[own] / (sizes[own] - 1);
    const double larger = std::max(inside, other);
    if (larger > 0) total += (other - inside) / larger;
  }
  return total / static_cast<double>(points.size());
}

NeuronTypes find_neuron_types(std::span<const Latent> latents, std::uint64_t seed) {
  std::vector<Latent> sample;
  for (const std::int64_t i : evenly_spaced(std::ssize(latents), kSilhouettePoints))
    sample.push_back(latents[i]);

  NeuronTypes best{.clusters = {std::vector<std::int64_t>(latents.size()), 1}, .silhouette = {}};
  Clustering chosen;
  for (std::int64_t clusters = 2; clusters <= std::min(kMostTypes, std::ssize(sample) - 1); ++clusters) {
    Clustering candidate = k_means(sample, clusters, seed);
    if (candidate.count < clusters) continue;
    const auto width = silhouette(sample, candidate);
    if (best.silhouette && *width <= *best.silhouette) continue;
    best.silhouette = width;
    chosen = std::move(candidate);
  }
  if (best.silhouette) best.clusters = renumbered(run_lloyd(latents, cluster_means(sample, chosen)).labels);
  return best;
}

Clustering single_linkage(std::span<const Latent> points, double distance) {
  const double reach = distance * distance;
  std::vector<std::int64_t> labels(points.size(), 0);
  std::vector<std::size_t> unvisited(points.size());
  std::iota(unvisited.begin(), unvisited.end(), std::size_t{0});
  std::vector<std::size_t> front;
  for (std::int64_t label = 0; !unvisited.empty(); ++label) {
    front.assign(1, unvisited.back());
    unvisited.pop_back();
    while (!front.empty()) {
      const std::size_t point = front.back();
      front.pop_back();
      labels[point] = label;
      const auto reached = std::ranges::partition(unvisited, [&](std::size_t other) {
        return squared_distance(points[point], points[other]) > reach;
      });
      front.insert(front.end(), reached.begin(), reached.end());
      unvisited.erase(reached.begin(), reached.end());
    }
  }
  return renumbered(std::move(labels));
}

Clustering reference_clusters(std::span<const Latent> latents) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Latent& latent : latents) {
    low = std::min({low, latent[0], latent[1]});
    high = std::max({high, latent[0], latent[1]});
  }
  const double range = high - low + 1e-10;  // the published guard against a range of 0
  std::vector<Latent> scaled;
  for (const Latent& latent : latents)
    scaled.push_back({(latent[0] - low) / range, (latent[1] - low) / range});
  return single_linkage(scaled, kReferenceCut);
}

std::vector<std::int64_t> best_matching(std::span<const std::int64_t> table, std::int64_t clusters,
                                        std::int64_t types) {
  require(clusters <= 16, "at most 16 clusters are matched");
  const std::size_t sets = std::size_t{1} << clusters;
  // agreed[used]: the most points that agree when the types so far have taken the clusters in `used`, -1 if
  // they cannot.
  std::vector<std::int64_t> agreed(sets, -1);
  agreed[0] = 0;
  std::vector<std::int64_t> taken(types * sets, -1);
  for (std::int64_t type = 0; type < types; ++type) {
    std::vector<std::int64_t> next = agreed;
    for (std::size_t used = 0; used < sets; ++used) {
      for (std::int64_t cluster = 0; agreed[used] >= 0 && cluster < clusters; ++cluster) {
        const std::size_t with = used | std::size_t{1} << cluster;
        const std::int64_t sum = agreed[used] + table[cluster * types + type];
        if (with == used || sum <= next[with]) continue;
        next[with] = sum;
        taken[type * sets + with] = cluster;
      }
    }
    agreed = std::move(next);
  }
  std::size_t used = std::ranges::max_element(agreed) - agreed.begin();
  std::vector<std::int64_t> type_of(clusters, -1);
  for (std::int64_t type = types - 1; type >= 0; --type) {
    const std::int64_t cluster = taken[type * sets + used];
    if (cluster < 0) continue;
    type_of[cluster] = type;
    used ^= std::size_t{1} << cluster;
  }
  return type_of;
}

double matched_accuracy(const Clustering& clustering, std::span<const std::int64_t> types) {
  const std::int64_t type_count = count_types(types);
  std::vector<std::int64_t> table(clustering.count * type_count);
  for (std::size_t i = 0; i < types.size(); ++i) ++table[clustering.label[i] * type_count + types[i]];
  const auto type_of = best_matching(table, clustering.count, type_count);
  std::int64_t agreeing = 0;
  for (std::int64_t cluster = 0; cluster < clustering.count; ++cluster) {
    if (type_of[cluster] >= 0) agreeing += table[cluster * type_count + type_of[cluster]];
  }
  return static_cast<double>(agreeing) / static_cast<double>(types.size());
}

double reference_accuracy(const Clustering& clustering, std::span<const std::int64_t> types) {
  std::vector<std::vector<std::int64_t>> labels_of(count_types(types));
  for (std::size_t i = 0; i < types.size(); ++i) labels_of[types[i]].push_back(clustering.label[i]);
  std::vector<std::int64_t> type_of(clustering.count, -1);
  for (std::size_t type = 0; type < labels_of.size(); ++type) {
    if (labels_of[type].empty()) continue;
    type_of[median_label(labels_of[type])] = static_cast<std::int64_t>(type);
  }
  std::int64_t agreeing = 0;
  for (std::size_t i = 0; i < types.size(); ++i) agreeing += type_of[clustering.label[i]] == types[i];
  return static_cast<double>(agreeing) / static_cast<double>(types.size());
}

}  // namespace weft
