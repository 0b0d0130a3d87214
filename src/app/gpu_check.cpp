#include "app/gpu_check.hpp"

#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weft/app/start_table.hpp"
#include "weft/core/error.hpp"
#include "weft/core/row_partition.hpp"
#include "weft/ops/host_name.hpp"
#include "weft/train/memory_needs.hpp"

#include "app/training.hpp"

namespace weft {
namespace {

/// A stage that computes on GPUs.
struct GpuStage {
  Stage stage;
  std::int64_t neurons = 0;
  int shards = 1;  ///< that the ranks are
  std::function<MemoryNeed(std::int64_t shards)> need;
};

std::vector<GpuStage> stages_on_gpus(const StageContext& context, std::span<const Stage> stages) {
  const Config& config = context.config;
  const int ranks = context.world.size();
  std::vector<GpuStage> found;
  for (const Stage stage : stages) {
    if (stage == Stage::simulate) {
      found.push_back({stage, config.simulation.neurons, ranks, [&config](std::int64_t shards) {
                         return simulation_need(config.simulation, shards);
                       }});
    }
    if (stage == Stage::train) {
      const DataSize size = data_size(config);
      found.push_back(
          {stage, size.neurons, ranks / config.training.replicas,
           [&config, size](std::int64_t shards) { return training_need(config.training, size, shards); }});
    }
  }
  return found;
}

std::string remedy_for(const StageContext& context, const GpuStage& stage, std::int64_t free_bytes) {
  const std::int64_t enough =
      fewest_shards([&](std::int64_t shards) { return stage.need(shards).least; }, free_bytes, stage.neurons);
  const bool trains = stage.stage == Stage::train;
  if (enough > 0) {
    return fmt::format("start {} ranks or more, each with a GPU like this one, or set device: cpu",
                       trains ? enough * context.config.training.replicas : enough);
  }
  return fmt::format("no number of ranks would do: {}set device: cpu",
                     trains && context.config.training.method == TrainingMethod::varpro
                         ? "set training.method: adam, which has no matrix that every rank holds, or "
                         : "take fewer neurons, or ");
}

void require_memory(const StageContext& context, const GpuStage& stage, const DeviceDescription& gpu) {
  const std::int64_t least = stage.need(stage.shards).least;
  if (least <= gpu.free_bytes) return;
  throw UserError(
      {"device",
       fmt::format("`weft {}` needs {} of GPU memory on each rank, of which {} are free on the {} of "
                   "rank {} on {}",
                   stage_name(stage.stage), gigabytes(least), gigabytes(gpu.free_bytes), gpu.name,
                   context.world.rank(), host_name()),
       "a part that fits", remedy_for(context, stage, gpu.free_bytes)});
}

RankOnGpu own_line(const StageContext& context, std::span<const GpuStage> stages,
                   const DeviceDescription& gpu) {
  const GpuStage& last = stages.back();
  const RowPartition partition(last.neurons, last.shards);
  const int shard = context.world.rank() % last.shards;
  RankOnGpu line{context.world.rank(),   host_name(),           gpu.name, gpu.uuid,
                 partition.begin(shard), partition.size(shard), 0,        gpu.free_bytes};
  for (const GpuStage& stage : stages)
    line.needed_bytes = std::max(line.needed_bytes, stage.need(stage.shards).bytes(gpu.free_bytes));
  return line;
}

/// The lines of all ranks, on every rank. @collective
std::vector<RankOnGpu> gather_lines(Communicator& world, const RankOnGpu& own) {
  const nlohmann::json text{own.host, own.gpu,          own.uuid,      own.first_row,
                            own.rows, own.needed_bytes, own.free_bytes};
  std::vector<RankOnGpu> lines;
  for (const std::string& part : gather_texts(world, text.dump())) {
    const nlohmann::json line = nlohmann::json::parse(part);
    lines.push_back(
        {static_cast<int>(lines.size()), line[0], line[1], line[2], line[3], line[4], line[5], line[6]});
  }
  return lines;
}

}  // namespace

std::vector<std::string> check_gpus(const StageContext& context, std::span<const Stage> stages) {
  DeviceDescription gpu;
  std::vector<GpuStage> computing;
  collectively(context.world, [&] {
    gpu = context.device.description();
    computing = stages_on_gpus(context, stages);
    for (const GpuStage& stage : computing) require_memory(context, stage, gpu);
  });
  if (computing.empty()) return {};
  return start_table(gather_lines(context.world, own_line(context, computing, gpu)));
}

}  // namespace weft
