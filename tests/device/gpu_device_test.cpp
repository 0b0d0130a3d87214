// A GPU as a Device; skipped where there is none.

#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "support/device_under_test.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using testing::Each;

/// Floats in the device's memory.
class Floats {
 public:
  explicit Floats(const std::vector<float>& values)
      : count_(values.size()), memory_(device_under_test().allocate(values.size() * sizeof(float))) {
    device_under_test().copy_in(memory_.get(), values.data(), values.size() * sizeof(float));
  }
  float* data() const { return static_cast<float*>(memory_.get()); }
  std::vector<float> on_host() const {
    std::vector<float> values(count_);
    device_under_test().copy_out(values.data(), memory_.get(), count_ * sizeof(float));
    return values;
  }

 private:
  std::size_t count_;
  DeviceMemory memory_;
};

/// out = 2 x, by a product with a row of W for each x.
void twice(const Floats& identity, const Floats& x, const Floats& out, std::int64_t count) {
  device_under_test().kernels().single().row_product({identity.data(), count, count, count}, x.data(), 1,
                                                     out.data());
}

std::vector<float> twice_the_identity(std::int64_t count) {
  std::vector<float> w(static_cast<std::size_t>(count * count));
  for (std::int64_t i = 0; i < count; ++i) w[static_cast<std::size_t>(i * count + i)] = 2;
  return w;
}

TEST(GpuDevice, SaysWhatItIs) {
  Device& gpu = device_under_test();
  EXPECT_FALSE(gpu.is_host());
  EXPECT_THAT(gpu.torch_name(), testing::MatchesRegex("cuda:[0-9]+"));
  const DeviceDescription description = gpu.description();
  EXPECT_FALSE(description.name.empty());
  EXPECT_THAT(description.uuid,
              testing::MatchesRegex("GPU-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+"));
  EXPECT_EQ(description.uuid.size(), 40U);
  EXPECT_GT(description.total_bytes, description.free_bytes);
  EXPECT_GT(description.free_bytes, 0);
}

TEST(GpuDevice, CopiesThereAndBack) {
  std::vector<float> values(1'000'003);
  std::iota(values.begin(), values.end(), 0.0F);
  EXPECT_EQ(Floats(values).on_host(), values);
  EXPECT_EQ(device_under_test().allocate(0).get(), nullptr);
}

TEST(GpuDevice, RunsKernelsInOrder) {
  constexpr std::int64_t kCount = 64;
  const Floats identity(twice_the_identity(kCount)), x(std::vector<float>(kCount, 1)),
      y(std::vector<float>(kCount, 0));
  for (int k = 0; k < 5; ++k) {
    twice(identity, x, y, kCount);
    twice(identity, y, x, kCount);
  }
  EXPECT_THAT(x.on_host(), Each(1024));
}

TEST(GpuDevice, RecordsWithoutDoingAndRepeats) {
  constexpr std::int64_t kCount = 64;
  const Floats identity(twice_the_identity(kCount)), x(std::vector<float>(kCount, 1)),
      y(std::vector<float>(kCount, 0));
  const auto work = device_under_test().record([&] {
    twice(identity, x, y, kCount);
    twice(identity, y, x, kCount);
  });
  EXPECT_THAT(x.on_host(), Each(1));
  EXPECT_GE(work->operations(), 2U);
  for (int k = 0; k < 3; ++k) work->replay();
  device_under_test().synchronize();
  EXPECT_THAT(x.on_host(), Each(64));
}

TEST(GpuDevice, GoesOnAfterARecordingThatThrew) {
  EXPECT_THROW(device_under_test().record([] { throw UserError("in mid-recording"); }), UserError);
  EXPECT_THAT(Floats(std::vector<float>(3, 7)).on_host(), Each(7));
}

TEST(GpuDevice, AWaitWithinARecordingIsABug) {
  EXPECT_THROW(device_under_test().record([] { device_under_test().synchronize(); }), InternalError);
  EXPECT_THAT(Floats(std::vector<float>(3, 7)).on_host(), Each(7));
}

TEST(GpuDevice, SaysWhatIsMissingWhereItsMemoryIsUsedUp) {
  const auto total = static_cast<std::size_t>(device_under_test().description().total_bytes);
  expect_user_error([&] { device_under_test().allocate(2 * total); },
                    {"GPU ", "out of memory", "GiB more were wanted", "are free", "more ranks"});
  EXPECT_THAT(Floats(std::vector<float>(3, 7)).on_host(), Each(7));
}

}  // namespace
}  // namespace weft
