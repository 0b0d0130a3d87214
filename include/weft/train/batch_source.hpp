#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include "weft/device/device.hpp"
#include "weft/train/training_data.hpp"

namespace weft {

/// Steps of a window: on a GPU so many that the look at the losses after them costs next to nothing.
constexpr std::int64_t kDeviceWindow = 16;

/// The batches of a training, on its device. Where all frames fit there, they lie there and a step takes its
/// batch by itself, by frame. Where not, the host gathers the batches of the next steps while the device
/// works on those before, into a ring of two windows on the device, and a step takes its batch by place in
/// the ring. Local.
class BatchSource {
 public:
  /// Takes the series of `data` over. A batch has `entries` frames, a window so many steps; `budget_bytes` of
  /// the device's memory are for this.
  BatchSource(const Device& device, TrainingData& data, std::int64_t entries, std::int64_t window,
              std::int64_t budget_bytes);

  /// Whether steps name frames; else, places in the ring.
  bool is_resident() const { return resident_; }
  /// Brings the batches of consecutive steps, `entries` frames each, to where the steps find them; all of one
  /// window. Nothing where the frames lie on the device. The steps of the window before the last must be
  /// done.
  void stage(std::int64_t first_step, std::span<const std::int64_t> frames);

  /// (entries x rows) float32 at these frames or places, int64 on the device.
  at::Tensor activity(const at::Tensor& which) const { return activity_.index_select(0, which); }
  at::Tensor derivative(const at::Tensor& which) const { return derivative_.index_select(0, which); }

 private:
  bool resident_;
  std::int64_t entries_, window_;
  at::Tensor activity_, derivative_;          ///< all frames, or the ring: (2 window entries x rows)
  at::Tensor all_activity_, all_derivative_;  ///< on the host, where they are not resident
  at::Tensor gathered_activity_, gathered_derivative_;  ///< the ring's twin on the host
};

}  // namespace weft
