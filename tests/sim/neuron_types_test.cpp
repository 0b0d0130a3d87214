#include "weft/sim/neuron_types.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "support/user_error.hpp"

namespace weft {
namespace {

TEST(NeuronTypes, AreEqualBlocksWithTheRemainderInTheLast) {
  EXPECT_EQ(neuron_types(8, 4), (std::vector<std::int64_t>{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(neuron_types(11, 4), (std::vector<std::int64_t>{0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3}));
  EXPECT_EQ(neuron_types(3, 3), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(NeuronTypes, MoreTypesThanNeuronsAreAMistake) {
  expect_user_error([] { (void)neuron_types(3, 4); },
                    {"simulation.types", "4 types for 3 neurons", "1 to 3"});
  expect_user_error([] { (void)neuron_types(3, 0); }, {"simulation.types", "0 types for 3 neurons"});
}

TEST(NeuronTypes, ParametersAreGainSelfCouplingAndDecay) {
  const std::vector<NeuronTypeConfig> types{{10, 1, 0.5}, {8, 2, 4}};
  EXPECT_EQ(type_parameters(types), (std::vector<double>{10, 1, 2, 8, 2, 0.25}));
}

TEST(NeuronTypes, EachNeuronOfAShardGetsThoseOfItsType) {
  const std::vector<NeuronTypeConfig> types{{10, 1, 0.5}, {8, 2, 4}};
  const NeuronParameters shard = neuron_parameters(types, 7, GlobalRow{2}, 3);
  EXPECT_EQ(shard.gain, (std::vector<float>{10, 8, 8}));
  EXPECT_EQ(shard.self_coupling, (std::vector<float>{1, 2, 2}));
  EXPECT_EQ(shard.decay, (std::vector<float>{2, 0.25, 0.25}));
}

}  // namespace
}  // namespace weft
