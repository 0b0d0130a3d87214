#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "weft/comm/communicator.hpp"
#include "weft/config/config.hpp"
#include "weft/device/cuda_library.hpp"
#include "weft/device/device.hpp"

namespace weft {

/// A rank, and where it runs.
struct RankPlace {
  int rank = 0;
  std::string host;
  int rank_on_node = 0;
  int ranks_on_node = 1;
};

/// Why a rank has no GPU of its own.
struct GpuLack {
  std::string what;
  std::string remedy;
};

/// The number of the GPU that a rank is to open, among those that it sees: its place on the node where there
/// are GPUs enough; 0 where it sees a single one, which may be its own (CUDA_VISIBLE_DEVICES for each rank)
/// or, as `shared_gpu` tells, another's too. Local.
std::variant<int, GpuLack> gpu_for(const RankPlace& place, const CudaSurvey& survey);

/// The GPU that a rank opened.
struct GpuOwner {
  int rank = 0;
  std::string host;
  std::string uuid;
};

/// The first two of these that have one GPU, if there are two. Local.
std::optional<GpuLack> shared_gpu(std::span<const GpuOwner> owners);

/// The way to GPUs; tests have another one.
struct GpuAccess {
  std::function<CudaSurvey()> survey;
  /// Opens the GPU of this number. @throws UserError where it cannot be used.
  std::function<std::unique_ptr<Device>(int)> open;
};

/// What a rank computes on.
struct ChosenDevice {
  std::unique_ptr<Device> device;
  std::string why_host;  ///< why it is the host though GPUs were wanted if there are any; else empty
};

/// A GPU for each rank, or the host for all: as `wanted`, and where that is DeviceKind::automatic GPUs if
/// every rank has one of its own. GPUs are not looked for where the host is wanted. @collective
/// @throws UserError on all ranks, with one message, where GPUs are wanted and a rank has none of its own.
ChosenDevice choose_device(Communicator& world, DeviceKind wanted, const RankPlace& place,
                           const GpuAccess& gpus);

}  // namespace weft
