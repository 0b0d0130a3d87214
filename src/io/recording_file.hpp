#pragma once

#include <cstdint>
#include <filesystem>

#include "weft/io/hdf5.hpp"

namespace weft {

/// A dataset's file, checked for what Dataset and Truth both build on. Local.
struct RecordingFile {
  /// @throws UserError unless it holds `/activity`, (T, N) numbers with at least one of each.
  explicit RecordingFile(const std::filesystem::path& path);

  /// A dataset of numbers, whose sources in other files, if it is virtual, are all there and whole: HDF5
  /// itself would show fill values for those that are not.
  /// @throws UserError
  hdf5::Dataset checked_dataset(const std::string& name) const;
  /// The same, of this shape. @throws UserError
  hdf5::Dataset checked_dataset(const std::string& name, const hdf5::Shape& shape) const;
  /// Reads a dataset as a whole where it is small, at its two ends where it is large, and throws it away.
  /// @throws UserError
  void try_reading(const hdf5::Dataset& dataset) const;
  /// All three arrays of the truth.
  bool has_truth() const;

  hdf5::File file;
  std::int64_t frames = 0;
  std::int64_t neurons = 0;
};

}  // namespace weft
