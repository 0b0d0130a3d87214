#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "weft/io/dataset.hpp"

namespace weft {

/// The ground truth of a simulated dataset. For evaluation only: nothing under train/ may include this
/// header. Local.
class Truth {
 public:
  /// @throws UserError where the file holds no truth or its shapes disagree.
  explicit Truth(const std::filesystem::path& file);
  ~Truth();
  Truth(Truth&&) noexcept;

  const NeuronTypeTruth& types() const;
  /// Rows [first_row, first_row + rows.size() / N) of the true W, [post, pre].
  void read_connectivity(GlobalRow first_row, std::span<float> rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft
