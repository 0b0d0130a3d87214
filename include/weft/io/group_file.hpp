#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace weft {

/// The group of each neuron, (N): a text file with one whole number a line, line i + 1 that of neuron i.
/// Groups are numbered from 0, and none is empty. Local.
/// @throws UserError that names file, line and value.
std::vector<std::int64_t> read_group_file(const std::filesystem::path& file, std::int64_t neurons);

}  // namespace weft
