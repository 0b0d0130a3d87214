#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>

#include "weft/model/signal_gnn.hpp"

#include "model/random_tensor.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 13;

/// A network none of whose numbers is the initial one's by chance.
SignalGnn sample(const RowPartition& partition, int shard) {
  SignalGnn model = SignalGnn::initial(partition, shard, 5, at::kFloat);
  model.embedding.copy_(random_tensor({kNeurons, 2}, 1).narrow(0, model.first_row(), model.rows()));
  model.psi.parameters().copy_(random_tensor(model.psi.parameters().sizes(), 2));
  model.phi.parameters().copy_(random_tensor(model.phi.parameters().sizes(), 3));
  return model;
}

ArrayView view_of(const std::string& name, const at::Tensor& tensor) {
  return {name, tensor.sizes().vec(),
          std::span<const float>(tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel()))};
}

struct Arrays {
  std::vector<ArrayView> rows, common;
};

Arrays arrays_of(const SignalGnn& model) {
  Arrays arrays{{view_of("connectivity", model.connectivity), view_of("embedding", model.embedding)}, {}};
  for (const auto& [name, view] : model.psi.named_parameters())
    arrays.common.push_back(view_of("psi/" + name, view));
  for (const auto& [name, view] : model.phi.named_parameters())
    arrays.common.push_back(view_of("phi/" + name, view));
  return arrays;
}

class SignalGnnCheckpoint : public testing::Test {
 protected:
  SignalGnnCheckpoint()
      : partition_(kNeurons, test_world().size()), model_(sample(partition_, test_world().rank())) {}

  Checkpoint save(const Arrays& arrays) const {
    save_checkpoint(test_world(), folder_.path(), {7, kNeurons, "adam", "cafe", "0.1.0"}, partition_,
                    arrays.rows, arrays.common);
    test_world().barrier();
    return Checkpoint(latest_checkpoint(folder_.path()));
  }
  /// `arrays` but for the one of that name.
  static std::vector<ArrayView> without(std::vector<ArrayView> arrays, const std::string& name) {
    std::erase_if(arrays, [&](const ArrayView& array) { return array.name == name; });
    return arrays;
  }
  void expect_refused(const Arrays& arrays, std::initializer_list<std::string_view> substrings) const {
    const Checkpoint checkpoint = save(arrays);
    expect_user_error([&] { load_signal_gnn(checkpoint, partition_, test_world().rank()); }, substrings);
  }

  RowPartition partition_;
  SignalGnn model_;
  TemporaryFolder folder_{test_world()};
};

TEST_F(SignalGnnCheckpoint, LoadsTheSameBitsOnAnyNumberOfShards) {
  const Checkpoint checkpoint = save(arrays_of(model_));
  for (const int shards : {1, 2, 3, 4, 13}) {
    const RowPartition partition(kNeurons, shards);
    for (int shard = 0; shard < shards; ++shard) {
      const SignalGnn expected = sample(partition, shard);
      const SignalGnn loaded = load_signal_gnn(checkpoint, partition, shard);
      EXPECT_EQ(loaded.partition, partition);
      EXPECT_EQ(loaded.shard, shard);
      EXPECT_TRUE(loaded.connectivity.equal(expected.connectivity)) << shard << " of " << shards;
      EXPECT_TRUE(loaded.embedding.equal(expected.embedding)) << shard << " of " << shards;
      EXPECT_TRUE(loaded.psi.parameters().equal(expected.psi.parameters()));
      EXPECT_TRUE(loaded.phi.parameters().equal(expected.phi.parameters()));
    }
  }
}

TEST_F(SignalGnnCheckpoint, OfAnotherAssemblyIsRefused) {
  const Checkpoint checkpoint = save(arrays_of(model_));
  expect_user_error([&] { load_signal_gnn(checkpoint, RowPartition(12, 1), 0); },
                    {"step_000000000007", "13 neurons", "12, as in the dataset", "name the right run"});
}

TEST_F(SignalGnnCheckpoint, WithoutAnArrayIsRefused) {
  for (const std::string name : {"connectivity", "embedding", "psi/bias1", "phi/weight0"}) {
    const Arrays all = arrays_of(model_);
    expect_refused({without(all.rows, name), without(all.common, name)}, {"step_000000000007", name});
  }
}

TEST_F(SignalGnnCheckpoint, WithAnArrayOfAnotherShapeIsRefused) {
  const at::Tensor wide = random_tensor({model_.rows(), kNeurons + 1}, 4).to(at::kFloat);
  const at::Tensor narrow = random_tensor({model_.rows(), 1}, 4).to(at::kFloat);
  const at::Tensor long_bias = random_tensor({65}, 4).to(at::kFloat);
  const Arrays all = arrays_of(model_);
  const auto replaced = [](std::vector<ArrayView> arrays, const std::string& name, const at::Tensor& by) {
    arrays = without(std::move(arrays), name);
    arrays.push_back(view_of(name, by));
    return arrays;
  };
  expect_refused({replaced(all.rows, "connectivity", wide), all.common},
                 {"connectivity holds 14 numbers a row", "expected 13", "belongs to another model"});
  expect_refused({replaced(all.rows, "embedding", narrow), all.common},
                 {"embedding holds 1 numbers a row", "expected 2", "another model"});
  expect_refused({all.rows, replaced(all.common, "psi/bias0", long_bias)},
                 {"psi/bias0 holds 65 numbers", "expected 64", "another model"});
}

}  // namespace
}  // namespace weft
