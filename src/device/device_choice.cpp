#include "weft/device/device_choice.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

std::string name_of(const GpuOwner& owner) { return fmt::format("rank {} on {}", owner.rank, owner.host); }

std::string name_of(const RankPlace& place) { return fmt::format("rank {} on {}", place.rank, place.host); }

struct OpenGpu {
  std::unique_ptr<Device> device;
  std::string uuid;
};

/// The GPU of this rank, opened, or why there is none. Local.
std::variant<OpenGpu, GpuLack> open_own_gpu(const RankPlace& place, const GpuAccess& gpus) {
  const std::variant<int, GpuLack> found = gpu_for(place, gpus.survey());
  if (const auto* lack = std::get_if<GpuLack>(&found)) return *lack;
  const int number = std::get<int>(found);
  try {
    std::unique_ptr<Device> device = gpus.open(number);
    std::string uuid = device->description().uuid;
    return OpenGpu{std::move(device), std::move(uuid)};
  } catch (const UserError& error) {
    return GpuLack{fmt::format("{} cannot use GPU {}: {}", name_of(place), number, error.what()),
                   "put that right, or set device: cpu"};
  }
}

/// That of the first rank which lacks a GPU, on all ranks. @collective
std::optional<GpuLack> first_lack(Communicator& world, const std::optional<GpuLack>& own) {
  const std::vector<double> lacking = gather_numbers(world, own ? 1 : 0);
  const auto first = std::ranges::find(lacking, 1.0);
  if (first == lacking.end()) return std::nullopt;
  const auto root = static_cast<int>(first - lacking.begin());
  const GpuLack mine = own.value_or(GpuLack{});
  std::string what = broadcast_text(world, mine.what, root);
  return GpuLack{std::move(what), broadcast_text(world, mine.remedy, root)};
}

/// @collective
std::vector<GpuOwner> gather_owners(Communicator& world, const std::string& host, const std::string& uuid) {
  const std::vector<std::string> hosts = gather_texts(world, host);
  const std::vector<std::string> uuids = gather_texts(world, uuid);
  std::vector<GpuOwner> owners;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank)
    owners.push_back({static_cast<int>(rank), hosts[rank], uuids[rank]});
  return owners;
}

/// A GPU for each rank, each with its own, or why not, the same on all ranks. @collective
std::variant<std::unique_ptr<Device>, GpuLack> open_gpus(Communicator& world, const RankPlace& place,
                                                         const GpuAccess& gpus) {
  auto opened = open_own_gpu(place, gpus);
  const auto* own = std::get_if<GpuLack>(&opened);
  if (const auto lack = first_lack(world, own ? std::optional(*own) : std::nullopt)) return *lack;
  OpenGpu& gpu = std::get<OpenGpu>(opened);
  if (const auto lack = shared_gpu(gather_owners(world, place.host, gpu.uuid))) return *lack;
  return std::move(gpu.device);
}

}  // namespace

std::variant<int, GpuLack> gpu_for(const RankPlace& place, const CudaSurvey& survey) {
  if (!survey.built) {
    return GpuLack{survey.reason,
                   "build it where nvcc and NCCL are found, and keep libweft_cuda.so beside the program, or "
                   "set device: cpu"};
  }
  if (survey.devices == 0) {
    return GpuLack{fmt::format("{} has no GPU: {}", name_of(place), survey.reason),
                   "start ranks where there are GPUs, or set device: cpu"};
  }
  if (survey.devices >= place.ranks_on_node) return place.rank_on_node;
  if (survey.devices == 1) return 0;
  return GpuLack{
      fmt::format("{} is one of {} ranks there, which see {} GPUs", name_of(place), place.ranks_on_node,
                  survey.devices),
      fmt::format("start {} ranks on a node, and more nodes, or let each rank see a GPU of its own "
                  "(CUDA_VISIBLE_DEVICES), or set device: cpu",
                  survey.devices)};
}

std::optional<GpuLack> shared_gpu(std::span<const GpuOwner> owners) {
  std::map<std::string, const GpuOwner*> first;
  for (const GpuOwner& owner : owners) {
    const auto [entry, is_new] = first.emplace(owner.uuid, &owner);
    if (is_new) continue;
    return GpuLack{
        fmt::format("{} and {} would share the GPU {}", name_of(*entry->second), name_of(owner), owner.uuid),
        "start no more ranks on a node than it has GPUs, and let each rank see all of these or one "
        "of its own (CUDA_VISIBLE_DEVICES), or set device: cpu"};
  }
  return std::nullopt;
}

ChosenDevice choose_device(Communicator& world, DeviceKind wanted, const RankPlace& place,
                           const GpuAccess& gpus) {
  if (wanted == DeviceKind::cpu) return {make_host_device(), ""};
  auto opened = open_gpus(world, place, gpus);
  if (auto* device = std::get_if<std::unique_ptr<Device>>(&opened)) return {std::move(*device), ""};
  const GpuLack& lack = std::get<GpuLack>(opened);
  if (wanted == DeviceKind::automatic) return {make_host_device(), lack.what};
  throw UserError({"device", "cuda, but " + lack.what, "a GPU of its own for every rank", lack.remedy});
}

}  // namespace weft
