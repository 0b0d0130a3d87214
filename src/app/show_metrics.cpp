#include "app/show_metrics.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"
#include "weft/ops/host_name.hpp"

#include "app/training.hpp"

namespace weft {
namespace {

/// Where all ranks are. @collective
std::vector<RankSeat> gather_seats(const StageContext& context) {
  DeviceDescription device;
  collectively(context.world, [&] {
    if (!context.device.is_host()) device = context.device.description();
  });
  const auto hosts = gather_texts(context.world, host_name());
  const auto gpus = gather_texts(context.world, device.name);
  const auto uuids = gather_texts(context.world, device.uuid);
  std::vector<RankSeat> seats;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank)
    seats.push_back({hosts[rank], gpus[rank], uuids[rank]});
  return seats;
}

RunDescription describe_run(const StageContext& context, std::vector<RankSeat> seats) {
  const Config& config = context.config;
  const char* const job = std::getenv("SLURM_JOB_ID");
  return {config.name,
          method_name(config.training.method),
          stage_key(config, Stage::evaluate),
          std::filesystem::absolute(context.folder.path).lexically_normal().string(),
          job == nullptr ? "" : job,
          config.checkpoint.interval,
          std::move(seats)};
}

/// A GPU's memory is asked for so seldom that no step feels it.
constexpr std::chrono::seconds kDeviceInterval{10};

/// What the loops report, and, now and then, the memory of rank 0's GPU.
ProgressSink with_device_memory(ProgressSink sink, const Device& device, RunMetrics& metrics) {
  return [sink = std::move(sink), &device, &metrics,
          next = std::chrono::steady_clock::time_point()](const Progress& progress) mutable {
    if (sink) sink(progress);
    const auto now = std::chrono::steady_clock::now();
    if (now < next) return;
    next = now + kDeviceInterval;
    try {
      const DeviceDescription found = device.description();
      metrics.device_memory(found.total_bytes - found.free_bytes, found.total_bytes);
    } catch (const UserError&) {  // a device that fails is heard of by those who compute on it
    }
  };
}

}  // namespace

void show_metrics(StageContext& context, const RunView& view, std::optional<MetricsService>& service) {
  const bool asked = context.world.rank() == 0 && view.options.wanted();
  if (sum_over(context.world, asked ? 1.0 : 0.0) == 0) return;
  std::vector<RankSeat> seats = gather_seats(context);
  collectively(context.world, [&] {
    if (!asked) return;
    service.emplace(view.options, describe_run(context, std::move(seats)), view.board);
    context.metrics = &service->metrics();
    if (!context.device.is_host())
      context.progress = with_device_memory(std::move(context.progress), context.device, *context.metrics);
  });
}

}  // namespace weft
