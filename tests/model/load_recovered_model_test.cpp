#include "weft/model/load_recovered_model.hpp"

#include <string>

#include <gtest/gtest.h>

#include "weft/model/spline_network.hpp"

#include "model/made_up_splines.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

Checkpoint saved_as(const std::string& method, const std::filesystem::path& root,
                    const SplineNetwork& network) {
  const ModelArrays arrays = arrays_of(network);
  CheckpointInfo info;
  info.neurons = network.partition.rows();
  info.method = method;
  save_checkpoint(*make_self_communicator(), root, info, network.partition, arrays.rows, arrays.common);
  return Checkpoint(latest_checkpoint(root));
}

TEST(LoadRecoveredModel, GoesByTheMethodOfTheCheckpoint) {
  const TemporaryFolder folder;
  const RowPartition partition(13, 1);
  const SplineNetwork network = made_up_splines(partition, 0);
  const double x = 0.7;

  const auto model = load_recovered_model(saved_as("varpro", folder.path(), network), partition, 0);
  EXPECT_EQ(model->psi(std::span(&x, 1)), std::vector<double>{network.psi_at(0, x)});
  EXPECT_TRUE(model->weight_errors());

  const Checkpoint adam = saved_as("adam", folder.path(), network);
  expect_user_error([&] { load_recovered_model(adam, partition, 0); }, {"psi/weight0"});
}

TEST(LoadRecoveredModel, NamesTheMethodThatItDoesNotKnow) {
  const TemporaryFolder folder;
  const RowPartition partition(13, 1);
  const Checkpoint checkpoint = saved_as("divination", folder.path(), made_up_splines(partition, 0));
  expect_user_error([&] { load_recovered_model(checkpoint, partition, 0); },
                    {"step_000000000000", "divination", "adam or varpro"});
}

}  // namespace
}  // namespace weft
