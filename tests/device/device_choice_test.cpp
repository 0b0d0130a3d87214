#include "weft/device/device_choice.hpp"

#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "support/made_up_gpu.hpp"
#include "support/mpi_main.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

constexpr bool kBuilt = true;
const CudaSurvey kNotBuilt{false, 0, "this build has no CUDA"};

int ordinal_of(const RankPlace& place, int devices) {
  return std::get<int>(gpu_for(place, {kBuilt, devices, ""}));
}

GpuLack lack_of(const RankPlace& place, const CudaSurvey& survey) {
  return std::get<GpuLack>(gpu_for(place, survey));
}

TEST(GpuFor, ARankTakesTheGpuOfItsPlaceOnTheNode) {
  for (int local = 0; local < 4; ++local) {
    EXPECT_EQ(ordinal_of({10 + local, "node7", local, 4}, 4), local);
    EXPECT_EQ(ordinal_of({10 + local, "node7", local, 4}, 8), local);
  }
}

TEST(GpuFor, ARankThatSeesOneGpuTakesIt) { EXPECT_EQ(ordinal_of({5, "node1", 1, 4}, 1), 0); }

TEST(GpuFor, FewerGpusThanRanksAreALack) {
  const GpuLack lack = lack_of({6, "node7", 2, 4}, {kBuilt, 3, ""});
  EXPECT_EQ(lack.what, "rank 6 on node7 is one of 4 ranks there, which see 3 GPUs");
  EXPECT_EQ(lack.remedy,
            "start 3 ranks on a node, and more nodes, or let each rank see a GPU of its own "
            "(CUDA_VISIBLE_DEVICES), or set device: cpu");
  // Also of the ranks for which there would be one: the next rank has none.
  EXPECT_TRUE(std::holds_alternative<GpuLack>(gpu_for({4, "node7", 0, 4}, {kBuilt, 3, ""})));
}

TEST(GpuFor, NoGpuPassesTheReasonOn) {
  const GpuLack lack = lack_of({2, "login", 0, 1}, {kBuilt, 0, "no NVIDIA driver"});
  EXPECT_EQ(lack.what, "rank 2 on login has no GPU: no NVIDIA driver");
}

TEST(GpuFor, ABuildWithoutCudaIsNamed) {
  EXPECT_EQ(lack_of({2, "login", 0, 1}, kNotBuilt).what, "this build has no CUDA");
}

TEST(SharedGpu, NamesBothRanksAndTheGpu) {
  const std::array owners{GpuOwner{0, "node1", "GPU-a"}, GpuOwner{1, "node1", "GPU-b"},
                          GpuOwner{2, "node2", "GPU-c"}, GpuOwner{3, "node2", "GPU-b"}};
  EXPECT_FALSE(shared_gpu(std::span(owners).first(3)));
  const auto lack = shared_gpu(owners);
  ASSERT_TRUE(lack);
  EXPECT_EQ(lack->what, "rank 1 on node1 and rank 3 on node2 would share the GPU GPU-b");
}

/// Two ranks on each of as many nodes as that takes.
RankPlace own_place() {
  const int rank = test_world().rank();
  const bool alone = rank % 2 == 0 && rank + 1 == test_world().size();
  return {rank, fmt::format("node{}", rank / 2), rank % 2, alone ? 1 : 2};
}

/// Ways to GPUs that count what is opened.
struct MadeUpGpus {
  CudaSurvey found{kBuilt, 2, ""};
  std::function<std::unique_ptr<Device>(int)> open = [](int number) {
    return std::make_unique<MadeUpGpu>(fmt::format("GPU-{}-{}", own_place().host, number));
  };
  int surveys = 0;
  std::vector<int> opened;

  ChosenDevice choose(DeviceKind wanted) {
    return choose_device(test_world(), wanted, own_place(),
                         {[this] {
                            ++surveys;
                            return found;
                          },
                          [this](int number) {
                            opened.push_back(number);
                            return open(number);
                          }});
  }
};

void expect_host(const ChosenDevice& chosen, const std::string& why) {
  EXPECT_TRUE(chosen.device->is_host());
  EXPECT_EQ(chosen.why_host, why);
}

TEST(ChooseDevice, GivesEachRankAGpuOfItsOwn) {
  for (const DeviceKind wanted : {DeviceKind::cuda, DeviceKind::automatic}) {
    MadeUpGpus gpus;
    const ChosenDevice chosen = gpus.choose(wanted);
    EXPECT_FALSE(chosen.device->is_host());
    EXPECT_EQ(chosen.why_host, "");
    EXPECT_EQ(gpus.opened, std::vector{own_place().rank_on_node});
  }
}

TEST(ChooseDevice, LooksForNoGpuWhereTheHostIsWanted) {
  MadeUpGpus gpus;
  expect_host(gpus.choose(DeviceKind::cpu), "");
  EXPECT_EQ(gpus.surveys, 0);
}

TEST(ChooseDevice, GpusOfTheirOwnByEnvironmentAreTaken) {
  MadeUpGpus gpus;
  gpus.found.devices = 1;
  gpus.open = [](int) { return std::make_unique<MadeUpGpu>(fmt::format("GPU-{}", test_world().rank())); };
  EXPECT_FALSE(gpus.choose(DeviceKind::cuda).device->is_host());
  EXPECT_EQ(gpus.opened, std::vector{0});
}

/// What every rank is told where the last one lacks a GPU.
void expect_lack(MadeUpGpus& gpus, const std::string& what) {
  const ChosenDevice chosen = gpus.choose(DeviceKind::automatic);
  expect_host(chosen, what);
  expect_user_error([&] { gpus.choose(DeviceKind::cuda); },
                    {"device: cuda, but " + what, "expected a GPU of its own for every rank"});
}

TEST(ChooseDevice, OneRankWithoutAGpuDecidesForAll) {
  const int last = test_world().size() - 1;
  MadeUpGpus gpus;
  if (test_world().rank() == last) gpus.found = {kBuilt, 0, "the driver is too old"};
  expect_lack(gpus, fmt::format("rank {} on node{} has no GPU: the driver is too old", last, last / 2));
}

TEST(ChooseDevice, AGpuThatCannotBeOpenedDecidesForAll) {
  const int last = test_world().size() - 1;
  MadeUpGpus gpus;
  if (test_world().rank() == last)
    gpus.open = [](int) -> std::unique_ptr<Device> { throw UserError("GPU 1: all of its memory is taken"); };
  expect_lack(gpus, fmt::format("rank {} on node{} cannot use GPU {}: GPU 1: all of its memory is taken",
                                last, last / 2, last % 2));
}

/// Opens, and is lost.
class LostGpu final : public MadeUpGpu {
 public:
  LostGpu() : MadeUpGpu("") {}
  DeviceDescription description() const override { throw UserError("GPU 1: an uncorrectable ECC error"); }
};

TEST(ChooseDevice, AGpuThatDoesNotAnswerDecidesForAll) {
  const int last = test_world().size() - 1;
  MadeUpGpus gpus;
  if (test_world().rank() == last) gpus.open = [](int) { return std::make_unique<LostGpu>(); };
  expect_lack(gpus, fmt::format("rank {} on node{} cannot use GPU {}: GPU 1: an uncorrectable ECC error",
                                last, last / 2, last % 2));
}

TEST(ChooseDevice, RanksThatSeeTheSameGpuAreNamed) {
  if (test_world().size() == 1) GTEST_SKIP() << "takes two ranks";
  MadeUpGpus gpus;
  gpus.found.devices = 1;
  gpus.open = [](int) { return std::make_unique<MadeUpGpu>("GPU-" + own_place().host); };
  expect_lack(gpus, "rank 0 on node0 and rank 1 on node0 would share the GPU GPU-node0");
}

TEST(ChooseDevice, ABuildWithoutCudaComputesOnTheHostUnlessToldOtherwise) {
  MadeUpGpus gpus;
  gpus.found = kNotBuilt;
  expect_lack(gpus, "this build has no CUDA");
}

}  // namespace
}  // namespace weft
