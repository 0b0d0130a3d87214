#include "weft/kernels/training_schedule.hpp"

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cuda/training_schedule.hpp"
#include "on_gpu.hpp"
#include "variants.hpp"

namespace weft {
namespace {

/// The host's function, and a GPU's kernel, on the host and on one.
struct Chosen {
  static void begin(const TrainingSchedule& schedule, TrainingCounters* counters, auto... arguments) {
    begin_step(schedule, *counters, arguments...);
  }
};
struct CudaOnHost {
  static void begin(auto... arguments) { cuda::begin_step(arguments..., nullptr); }
};
struct OnGpu {
  static void begin(auto... arguments) { on_gpu::begin_step(arguments...); }
};

/// The third to the fifth of a batch of 7, windows of 4 steps.
TrainingSchedule schedule_of_100_steps() {
  TrainingSchedule schedule{Philox(5, RandomStream::training_frames)};
  schedule.usable = 11;
  schedule.first_entry = 2;
  schedule.entries = 3;
  schedule.steps = 100;
  schedule.final_rate = 0.2;
  schedule.learning_rate[kConnectivity] = 1e-2;
  schedule.learning_rate[kEmbedding] = 2e-3;
  schedule.learning_rate[kPhi] = 3e-4;
  schedule.learning_rate[kPsi] = 4e-5;
  schedule.window = 4;
  return schedule;
}

/// The usable frames: every third.
std::vector<std::int64_t> every_third() {
  std::vector<std::int64_t> frames;
  for (std::int64_t k = 0; k < 11; ++k) frames.push_back(3 * k);
  return frames;
}

template <typename T>
class BeginStep : public testing::Test {
 protected:
  using Set = typename T::Kernels;
  void begin(bool with_choices) {
    Set::begin(schedule, &counters, with_choices ? static_cast<const std::int64_t*>(choices.data()) : nullptr,
               frames.data(), factors.data());
  }

  TrainingSchedule schedule = schedule_of_100_steps();
  TrainingCounters counters;
  std::vector<std::int64_t> choices = every_third(), frames{-1, -1, -1};
  std::vector<AdamFactors> factors{kTrainedParts};
};

#if defined(WEFT_ON_GPU)
using Variants = testing::Types<Variant<double, OnGpu>>;
#else
using Variants = testing::Types<Variant<double, Chosen>, Variant<double, CudaOnHost>>;
#endif
TYPED_TEST_SUITE(BeginStep, Variants);

TYPED_TEST(BeginStep, CountsAndDrawsTheReplicasFrames) {
  const Philox random(5, RandomStream::training_frames);
  for (std::uint64_t step = 0; step < 9; ++step) {
    this->begin(true);
    EXPECT_EQ(this->counters.step, static_cast<std::int64_t>(step) + 1);
    EXPECT_EQ(this->counters.slot, static_cast<std::int64_t>(step % 4));
    for (std::uint64_t b = 0; b < 3; ++b)
      EXPECT_EQ(this->frames[b], this->choices[random.below(11, step, 2 + b)]) << "step " << step;
  }
}

TYPED_TEST(BeginStep, NamesPlacesInTheRingWithoutAList) {
  for (std::int64_t step = 0; step < 19; ++step) {
    this->begin(false);
    EXPECT_THAT(this->frames, testing::ElementsAre(step % 8 * 3, step % 8 * 3 + 1, step % 8 * 3 + 2));
  }
}

TYPED_TEST(BeginStep, RatesFallAlongACosine) {
  for (const std::int64_t step : {0, 50, 99}) {
    this->counters = {step, step, 0};
    this->begin(true);
    const double left = 0.2 + 0.8 * (1 + std::cos(std::numbers::pi * static_cast<double>(step) / 100)) / 2;
    for (int part = 0; part < kTrainedParts; ++part) {
      const double rate = left * this->schedule.learning_rate[part];
      const auto count = static_cast<double>(step + 1);
      EXPECT_NEAR(this->factors[static_cast<std::size_t>(part)].rate, rate / (1 - std::pow(0.9, count)),
                  1e-14 * rate);
      EXPECT_NEAR(this->factors[static_cast<std::size_t>(part)].second_correction,
                  1 / std::sqrt(1 - std::pow(0.999, count)), 1e-11);
    }
  }
}

TYPED_TEST(BeginStep, AnEpochCountsAdamsStepsAnew) {
  this->counters = {60, 0, 0};
  this->begin(true);
  EXPECT_EQ(this->counters.step, 61);
  EXPECT_EQ(this->counters.adam_count, 1);
  const double left = 0.2 + 0.8 * (1 + std::cos(std::numbers::pi * 0.6)) / 2;
  EXPECT_NEAR(this->factors[kConnectivity].rate, left * 1e-2 / 0.1, 1e-14);
}

}  // namespace
}  // namespace weft
