#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "weft/io/dataset.hpp"

namespace weft {

/// A dataset of two trajectories whose every number tells where it belongs: 7 frames of 11 neurons, 3 types.
DatasetInfo sample_info();
NeuronTypeTruth sample_types();

/// The block of frames x neurons that a reader must get back.
std::vector<float> sample_activity(std::int64_t first_frame, std::int64_t frames, std::int64_t first_neuron,
                                   std::int64_t neurons);
std::vector<float> sample_derivative(std::int64_t first_frame, std::int64_t frames, std::int64_t first_neuron,
                                     std::int64_t neurons);
/// Rows of the true W, [post, pre].
std::vector<float> sample_connectivity(std::int64_t first_row, std::int64_t rows);

/// One shard, its frames and its rows in two parts each.
void write_sample_shard(const std::filesystem::path& folder, const DatasetInfo& info,
                        const RowPartition& partition, int shard);
/// All shards and the view; returns the view's file.
std::filesystem::path write_sample(const std::filesystem::path& folder, const DatasetInfo& info, int shards);

}  // namespace weft
