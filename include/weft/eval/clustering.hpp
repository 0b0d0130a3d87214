#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace weft {

/// A latent a_i.
using Latent = std::array<double, 2>;

/// A partition; clusters are numbered from 0 in the order in which their first member comes.
struct Clustering {
  std::vector<std::int64_t> label;
  std::int64_t count = 0;
};

/// k-means: the best of 8 starts by k-means++ (Arthur & Vassilvitskii 2007), each with Lloyd's rounds to the
/// end. Fewer than `clusters` are found where there are fewer different points. Random numbers are Philox
/// keyed by `seed`. Local.
Clustering k_means(std::span<const Latent> points, std::int64_t clusters, std::uint64_t seed);

/// The mean silhouette width (Rousseeuw 1987), in [-1, 1]; a point alone in its cluster counts 0. Absent for
/// fewer than 2 clusters. Takes O(points^2) time. Local.
std::optional<double> silhouette(std::span<const Latent> points, const Clustering& clustering);

/// Neuron types found from the latents alone.
struct NeuronTypes {
  Clustering clusters;
  std::optional<double> silhouette;  ///< of the points that chose the count; absent for one cluster
};

/// k-means with the number of clusters, 2 to 10, that has the highest silhouette on at most 1500 points drawn
/// evenly; the axes keep their scale. One cluster where all points agree or there are fewer than three.
/// Local.
NeuronTypes find_neuron_types(std::span<const Latent> latents, std::uint64_t seed);

/// Single linkage cut at `distance`: two points belong together where a chain of steps no longer than that
/// joins them. O(points) memory. Local.
Clustering single_linkage(std::span<const Latent> points, double distance);

/// The clusters of the published code: all latents scaled to [0, 1] by one common minimum and maximum, single
/// linkage cut at 0.1. Local.
Clustering reference_clusters(std::span<const Latent> latents);

/// The one-to-one assignment of clusters to types that most points agree with, by dynamic programming over
/// sets of clusters. `table` is (clusters x types), counts of points; returns the type of each cluster, -1
/// without one. At most 16 clusters. Local.
std::vector<std::int64_t> best_matching(std::span<const std::int64_t> table, std::int64_t clusters,
                                        std::int64_t types);

/// The fraction of points whose cluster is matched to their type under best_matching. Local.
double matched_accuracy(const Clustering& clustering, std::span<const std::int64_t> types);

/// The published code's accuracy: a type names the cluster whose number is the median over its points (halves
/// to even; later types win), and points in unnamed clusters count as wrong. Where no cluster has the
/// majority of a type the result depends on the numbering, here that of `Clustering`. Local.
double reference_accuracy(const Clustering& clustering, std::span<const std::int64_t> types);

}  // namespace weft
