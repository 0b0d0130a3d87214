#include "weft/eval/neuron_table.hpp"

#include <limits>

#include <gtest/gtest.h>

#include "assembly.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr const char* kHeader =
    "neuron,cluster,type,latent_0,latent_1,tau,s,residual,sigma,outgoing_weight_error,presynaptic\n";

WeightErrors three_errors() {
  return {{0.5, 4, 2},
          {1, std::numeric_limits<double>::infinity(), 3000},
          {0.01, 0.02, 0.03},
          {PresynapticState::heard, PresynapticState::silent, PresynapticState::saturated}};
}

TEST(GatherWeightErrors, PutsTheRowsOfAllShardsTogether) {
  WholeModel model = true_model(small_assembly(11));
  WeightErrors errors;
  for (int i = 0; i < 11; ++i) {
    errors.row.push_back(i);
    errors.residual.push_back(0.1 * i);
  }
  model.errors = errors;
  const FakeModel own(model, test_world());
  const WeightErrors gathered = gather_weight_errors(test_world(), own, *own.weight_errors());
  EXPECT_EQ(gathered.row, errors.row);
  EXPECT_EQ(gathered.residual, errors.residual);
}

TEST(OutgoingErrors, AreThoseOfAWeightToANeuronOfMedianSigma) {
  Gauge gauge;
  gauge.plateau = -3;
  gauge.psi_offset = 1;
  gauge.scale_known = true;
  const auto outgoing = outgoing_errors(three_errors(), gauge);
  EXPECT_EQ(outgoing, (std::vector<double>{4, std::numeric_limits<double>::infinity(), 12000}));
}

TEST(NeuronsCsv, HasALineForEachNeuron) {
  NeuronTable table;
  table.cluster = {1, 0, 0};
  table.type = {0, 2, 1};
  table.latents = {{0.25, -1}, {2, 3}, {4, 5.5}};
  table.fitted = {{2, -1, 0.5}, {1, 1.5, 2}, {0, 0, 0}};
  table.errors = three_errors();
  table.outgoing_error = {2, std::numeric_limits<double>::infinity(), 6000};
  EXPECT_EQ(neurons_csv(table), std::string(kHeader) +
                                    "0,1,0,0.25,-1,0.5,1,0.01,0.5,2,heard\n"
                                    "1,0,2,2,3,,1.5,0.02,4,inf,silent\n"
                                    "2,0,1,4,5.5,2,2,0.03,2,6000,saturated\n");
}

TEST(NeuronsCsv, LeavesEmptyWhatIsUnknown) {
  NeuronTable table;
  table.cluster = {0, 1};
  table.latents = {{1, 1}, {2, 2}};
  EXPECT_EQ(neurons_csv(table), std::string(kHeader) + "0,0,,1,1,,,,,,\n1,1,,2,2,,,,,,\n");
}

}  // namespace
}  // namespace weft
