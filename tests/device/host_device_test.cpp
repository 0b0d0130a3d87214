#include <array>
#include <cstdint>

#include <gtest/gtest.h>

#include "weft/device/device.hpp"

namespace weft {
namespace {

TEST(HostDevice, IsTheHost) {
  const auto host = make_host_device();
  EXPECT_TRUE(host->is_host());
  EXPECT_EQ(host->torch_name(), "cpu");
  EXPECT_EQ(&host->kernels(), &host_kernels());
  const DeviceDescription description = host->description();
  EXPECT_EQ(description.name, "host");
  EXPECT_EQ(description.uuid, "");
  EXPECT_GT(description.free_bytes, 0);
  EXPECT_GT(description.total_bytes, description.free_bytes);
}

TEST(HostDevice, CopiesToAndFromItsMemory) {
  const auto host = make_host_device();
  constexpr std::array<double, 3> kValues{1, 2, 3};
  const DeviceMemory memory = host->allocate(sizeof(kValues));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.get()) % 64, 0U);
  host->copy_in(memory.get(), kValues.data(), sizeof(kValues));
  std::array<double, 3> back{};
  host->copy_out(back.data(), memory.get(), sizeof(back));
  EXPECT_EQ(back, kValues);
}

TEST(HostDevice, RepeatsWhatWasRecorded) {
  const auto host = make_host_device();
  int count = 0;
  const auto work = host->record([&] { ++count; });
  EXPECT_EQ(work->operations(), 1U);
  const int recorded = count;
  work->replay();
  work->replay();
  host->synchronize();
  EXPECT_EQ(count, recorded + 2);
}

TEST(HostDevice, ConnectsByTheControlRanks) {
  const auto host = make_host_device();
  auto control = make_self_communicator();
  const Communicator* const before = control.get();
  EXPECT_EQ(host->connect(std::move(control)).get(), before);
}

}  // namespace
}  // namespace weft
