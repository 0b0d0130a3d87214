// The closed form on a device against the closed form on the host.

#include <initializer_list>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>

#include "weft/model/tensor_kernels.hpp"
#include "weft/train/column_scaling.hpp"
#include "weft/train/gram_factor.hpp"
#include "weft/train/gram_matrix.hpp"
#include "weft/train/varpro_solver.hpp"

#include "model/random_tensor.hpp"
#include "same_network.hpp"
#include "saved_closed_form.hpp"
#include "saved_training.hpp"
#include "support/device_under_test.hpp"
#include "support/device_with_room.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"
#include "support/temporary_folder.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = 61;  // not divisible by any number of ranks
constexpr std::int64_t kAnyRoom = std::numeric_limits<std::int64_t>::max(), kNoRoom = 0;

at::Device there() { return torch_device(device_under_test()); }

void expect_near(const at::Tensor& found, const at::Tensor& expected, double tolerance) {
  ASSERT_EQ(found.device(), there());
  ASSERT_EQ(found.sizes(), expected.sizes());
  ASSERT_EQ(found.scalar_type(), expected.scalar_type());
  if (expected.numel() == 0) return;
  EXPECT_LE((found.cpu() - expected).abs().max().item<double>(),
            tolerance * expected.abs().max().item<double>());
}

std::string name_of(const EquationForm& form) {
  return fmt::format("{}{}", form.differenced ? "Differenced" : "Plain",
                     form.type == at::kDouble ? "Float64" : "Float32");
}

const auto kForms = testing::Values(EquationForm{false, at::kFloat}, EquationForm{true, at::kFloat},
                                    EquationForm{false, at::kDouble}, EquationForm{true, at::kDouble});

/// Form of the equations, and whether the series lie on the device.
class SignalsOnDevice : public testing::TestWithParam<std::tuple<EquationForm, bool>> {
 protected:
  SignalsOnDevice() { on_device_.compute_on(there(), std::get<1>(GetParam())); }
  static NeuronSignals make() {
    const RowPartition partition(kNeurons, test_world().size());
    std::vector<std::int64_t> group;
    for (std::int64_t j = 0; j < kNeurons; ++j) group.push_back(j % 2);
    return make_signals(test_world(),
                        WiredAssembly({.neurons = kNeurons}).data(partition, test_world().rank()),
                        std::move(group));
  }
  static std::vector<double> numbers(std::int64_t count) {
    const at::Tensor values = random_tensor({count}, 1);
    return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + count};
  }
  const EquationForm& form() const { return std::get<0>(GetParam()); }
  double tolerance() const { return form().type == at::kFloat ? 1e-5 : 1e-13; }

  const std::vector<std::int64_t> chosen_{7, 1, 599, 20, 7, 2};
  const NeuronSignals on_host_ = make();
  NeuronSignals on_device_ = make();
};

TEST_P(SignalsOnDevice, LieWhereTheyAreToLie) {
  EXPECT_EQ(on_device_.resident(), std::get<1>(GetParam()));
  EXPECT_EQ(on_device_.derivative.device(), on_device_.coordinate.device());
  EXPECT_EQ(on_device_.coordinate.is_cpu(), !std::get<1>(GetParam()));
}

TEST_P(SignalsOnDevice, GiveWhatTheHostGives) {
  const std::vector<double> psi = numbers(2 * 12), shape = numbers(9);
  expect_near(on_device_.psi_values(chosen_, psi, form()), on_host_.psi_values(chosen_, psi, form()),
              tolerance());
  expect_near(on_device_.shape_values(chosen_, shape, form()), on_host_.shape_values(chosen_, shape, form()),
              tolerance());
  expect_near(on_device_.derivative_values(chosen_, form()), on_host_.derivative_values(chosen_, form()), 0);
  expect_near(on_device_.psi_values({}, psi, form()), on_host_.psi_values({}, psi, form()), 0);
  EXPECT_EQ(on_device_.psi_rounding(chosen_, psi, form()), on_host_.psi_rounding(chosen_, psi, form()));
}

TEST_P(SignalsOnDevice, FeelPsiAsTheHostDoes) {
  const at::Tensor w = random_tensor({on_host_.rows(), 5}, 2).to(form().type);
  expect_near(on_device_.psi_sensitivity(chosen_, w.to(there()), 12, form()),
              on_host_.psi_sensitivity(chosen_, w, 12, form()), tolerance());
}

INSTANTIATE_TEST_SUITE_P(Forms, SignalsOnDevice, testing::Combine(kForms, testing::Bool()),
                         [](const auto& test) {
                           return name_of(std::get<0>(test.param)) +
                                  (std::get<1>(test.param) ? "Resident" : "OnTheHost");
                         });

/// More frames than are brought at a time.
TEST(ManyFramesOnTheHost, AreBroughtByParts) {
  const std::int64_t frames = 40000, neurons = 600;
  ASSERT_GT(frames * neurons, kBroughtNumbers);
  NeuronSignals signals{RowPartition(neurons, 1),
                        0,
                        {1, -6, 12},
                        random_tensor({frames, neurons}, 1).to(at::kFloat),
                        random_tensor({1, 1}, 1).to(at::kFloat),
                        std::vector<std::int64_t>(static_cast<std::size_t>(neurons), 0)};
  std::vector<std::int64_t> all(static_cast<std::size_t>(frames));
  std::iota(all.begin(), all.end(), 0);
  const std::vector<double> psi{3, 1, 4, 1, 5, 9, 2, 6};
  const at::Tensor expected = signals.psi_values(all, psi, {});
  signals.compute_on(there(), false);
  expect_near(signals.psi_values(all, psi, {}), expected, 1e-5);
}

/// By type of numbers.
class PartsOnDevice : public testing::TestWithParam<at::ScalarType> {
 protected:
  double tolerance() const { return GetParam() == at::kFloat ? 1e-5 : 1e-13; }
};

TEST_P(PartsOnDevice, ColumnsAreScaledAsOnTheHost) {
  const ProcessGrid grid(device_world(), 1);
  const RowPartition partition(kNeurons, grid.shards());
  const at::Tensor values =
      (3 + random_tensor({50, partition.size(grid.shard())}, 1 + static_cast<std::uint64_t>(grid.shard())))
          .to(GetParam());
  const auto scaled = [&](at::Tensor own) {
    ColumnMoments moments;
    moments.add(own.narrow(0, 0, 20));
    moments.add(own.narrow(0, 20, 30));
    scale_columns(grid, partition, std::move(moments)).apply(own);
    return own;
  };
  expect_near(scaled(values.to(there())), scaled(values.clone()), tolerance());
}

at::Tensor gram_of(const ProcessGrid& grid, const RowPartition& partition, const at::Tensor& own) {
  GramMatrix gram(grid, partition, own.options());
  for (const std::int64_t first : {0, 40})
    gram.add(gather_columns(grid.rows(), partition, own.narrow(0, first, 40)));
  return gram.take();
}

TEST_P(PartsOnDevice, GramMatrixAndItsFactorAreThoseOfTheHost) {
  // Several blocks of the factor.
  constexpr std::int64_t neurons = 1100;
  const ProcessGrid grid(device_world(), 1);
  const RowPartition partition(neurons, grid.shards());
  const at::Tensor psi = random_tensor({80, neurons}, 1).to(GetParam());
  const at::Tensor own =
      psi.narrow(1, partition.begin(grid.shard()), partition.size(grid.shard())).contiguous();
  at::Tensor on_host = gram_of(grid, partition, own).triu();
  at::Tensor on_device = gram_of(grid, partition, own.to(there())).triu();
  expect_near(on_device, on_host, tolerance());

  on_host.diagonal().add_(800);
  const auto expected = factor_gram(device_world(), on_host.clone());
  const auto found = factor_gram(device_world(), on_host.to(there()));
  ASSERT_TRUE(expected && found);
  EXPECT_NEAR(found->ridge(), expected->ridge(), 1e-12 * expected->ridge());
  at::Tensor right = random_tensor({3, neurons}, 5).to(GetParam());
  at::Tensor right_there = right.to(there());
  expected->solve(right);
  found->solve(right_there);
  expect_near(right_there, right, 10 * tolerance());
  for (const auto& [one, other] : {std::pair(found->pivots(), expected->pivots()),
                                   std::pair(found->inverse_diagonal(), expected->inverse_diagonal())}) {
    ASSERT_EQ(one.size(), other.size());
    for (std::size_t j = 0; j < one.size(); ++j) EXPECT_NEAR(one[j], other[j], 10 * tolerance() * other[j]);
  }
}

TEST_P(PartsOnDevice, AMatrixThatIsNotPositiveIsNotFactored) {
  at::Tensor gram = random_tensor({30, 30}, 1).to(GetParam());
  EXPECT_EQ(factor_gram(device_world(), gram.mul_(-1).fill_diagonal_(1).to(there())), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Types, PartsOnDevice, testing::Values(at::kFloat, at::kDouble),
                         [](const auto& test) { return test.param == at::kFloat ? "Float32" : "Float64"; });

/// In the form that the config asks for.
class ClosedFormInTf32 : public testing::Test {
 protected:
  std::unique_ptr<VarproSolver> solve(const WiredAssembly& assembly, bool tf32) const {
    TrainingConfig config;
    config.tf32 = tf32;
    const RowPartition partition(assembly.activity.size(1), grid_.shards());
    auto solver = std::make_unique<VarproSolver>(
        device_under_test(), grid_, assembly.data(partition, grid_.shard()), config, assembly.group, 3);
    train_unattended(*solver);
    return solver;
  }
  const ProcessGrid grid_{device_world(), 1};
};

TEST_F(ClosedFormInTf32, FindsTheWiringAllTheSame) {
  const WiredAssembly assembly({.neurons = 100, .frames = 1000});
  const auto lost = [&](const VarproSolver& solver) {
    const SplineNetwork& network = solver.network();
    return lost_r2(network.connectivity, assembly.connectivity, network.partition.begin(network.shard));
  };
  const auto full = solve(assembly, false), rounded = solve(assembly, true);
  const nlohmann::json findings = rounded->findings().at("solver");
  EXPECT_EQ(findings.at("tf32"), true);
  EXPECT_TRUE(findings.at("fallbacks").empty());
  EXPECT_FALSE(rounded->network().connectivity.equal(full->network().connectivity));
  EXPECT_LT(lost(*full), 1e-8);
  EXPECT_LT(lost(*rounded), 1e-8);
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
  RecordProperty("lost_r2_float32", fmt::format("{:.2e}", lost(*full)));
  RecordProperty("lost_r2_tf32", fmt::format("{:.2e}", lost(*rounded)));
}

TEST_F(ClosedFormInTf32, GivesWayToFullPrecisionWhereItDoesNotDo) {
  // So little noise that the columns of psi(x) are nearly dependent.
  const auto solver = solve(WiredAssembly({.neurons = 60, .frames = 600, .dt = 0.005, .noise = 0.1}), true);
  const nlohmann::json findings = solver->findings().at("solver");
  ASSERT_FALSE(findings.at("fallbacks").empty());
  EXPECT_THAT(findings.at("fallbacks").at(0), testing::HasSubstr("went on in the plain form, float32"));
  EXPECT_EQ(findings.at("tf32"), false);
}

std::unique_ptr<VarproSolver> make_solver(Device& device, const ProcessGrid& grid,
                                          const WiredAssembly& assembly, const EquationForm& form) {
  const RowPartition partition(kNeurons, grid.shards());
  auto solver = std::make_unique<VarproSolver>(device, grid, assembly.data(partition, grid.shard()),
                                               TrainingConfig{}, assembly.group, 3);
  solver->start_from(form);
  return solver;
}

std::unique_ptr<VarproSolver> solve(Device& device, const ProcessGrid& grid, const WiredAssembly& assembly,
                                    const EquationForm& form) {
  auto solver = make_solver(device, grid, assembly, form);
  train_unattended(*solver);
  return solver;
}

/// By number of replicas.
class ClosedFormOnDevice : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (device_world().size() % GetParam() != 0) GTEST_SKIP() << "these ranks cannot be split into replicas";
    grid_ = std::make_unique<ProcessGrid>(device_world(), GetParam());
  }
  /// On a device with so much memory for its series.
  void expect_what_the_host_finds(const EquationForm& form, std::initializer_list<std::int64_t> rooms,
                                  double tolerance) const {
    const WiredAssembly assembly({.neurons = kNeurons});
    const auto self = make_self_communicator();
    const auto expected = solve(host(), ProcessGrid(*self, 1), assembly, form);
    for (const std::int64_t room : rooms) {
      SCOPED_TRACE(testing::Message() << "room for " << room << " bytes");
      DeviceWithRoom device(room);
      const auto found = solve(device, *grid_, assembly, form);
      EXPECT_EQ(found->findings().at("solver").at("out_of_core"), room == kNoRoom);
      EXPECT_EQ(found->steps_done(), expected->steps_done());
      EXPECT_TRUE(found->network().connectivity.is_cpu());
      expect_same_network(found->network(), expected->network(), tolerance);
    }
  }

  std::unique_ptr<ProcessGrid> grid_;
};

TEST_P(ClosedFormOnDevice, FindsWhatTheHostFindsInSinglePrecision) {
  expect_what_the_host_finds({false, at::kFloat}, {kAnyRoom, kNoRoom}, 1e-4);
}

TEST_P(ClosedFormOnDevice, FindsWhatTheHostFindsInDoublePrecision) {
  expect_what_the_host_finds({false, at::kDouble}, {kAnyRoom}, 1e-6);
}

TEST_P(ClosedFormOnDevice, FindsWhatTheHostFindsInDifferences) {
  expect_what_the_host_finds({true, at::kDouble}, {kNoRoom}, 1e-5);
}

/// With small chunks of frames, stopped and resumed.
class ClosedFormResumedOnDevice : public ClosedFormOnDevice {
 protected:
  std::unique_ptr<VarproSolver> solver_on(Device& device) const {
    auto solver = make_solver(device, *grid_, assembly_, kForm);
    solver->take_frames_by(kFewFrames);
    return solver;
  }
  /// Stopped on one device, and gone on with on another.
  std::unique_ptr<VarproSolver> resumed(Device& first, Device& second, const StateWish& wanted) const {
    const RowPartition partition(kNeurons, grid_->shards());
    const auto stopped = solver_on(first);
    const std::int64_t step = solve_until(*stopped, wanted, [&](std::int64_t at, const ModelArrays& state) {
      save_state(*grid_, folder_.path(), partition, at, state);
    });
    auto resumed = solver_on(second);
    resumed->resume(saved_at(folder_.path(), step));
    train_unattended(*resumed);
    return resumed;
  }
  void expect_the_same_bits(Device& device, const std::vector<StateWish>& stops) const {
    const auto expected = solver_on(device);
    train_unattended(*expected);
    for (const StateWish& wanted : stops) {
      const auto found = resumed(device, device, wanted);
      EXPECT_THAT(differences(bits_of(found->arrays()), bits_of(expected->arrays())), testing::IsEmpty());
    }
  }
  /// Where there are partial sums: not where replicas share the frames.
  StateWish amid(const StateWish& pass, RowStage stage) const {
    return GetParam() == 1 ? pass : is_at(stage);
  }

  static constexpr EquationForm kForm{false, at::kFloat};
  const WiredAssembly assembly_{{.neurons = kNeurons}};
  const TemporaryFolder folder_{test_world()};
};

TEST_P(ClosedFormResumedOnDevice, FindsTheSameBits) {
  DeviceWithRoom device(kAnyRoom);
  expect_the_same_bits(device, {amid(is_adding, RowStage::adding), amid(is_refining, RowStage::refining),
                                is_at(RowStage::solved)});
}

TEST_P(ClosedFormResumedOnDevice, FindsTheSameBitsOutOfCore) {
  DeviceWithRoom device(kNoRoom);
  expect_the_same_bits(device, {has_begun_to_search, is_at(RowStage::added), is_at(RowStage::refined)});
}

TEST_P(ClosedFormResumedOnDevice, GoesOnOnTheHostToo) {
  const auto self = make_self_communicator();
  const auto expected = solve(host(), ProcessGrid(*self, 1), assembly_, kForm);
  DeviceWithRoom device(kAnyRoom);
  const auto on_host = resumed(device, host(), is_at(RowStage::refining));
  expect_same_network(on_host->network(), expected->network(), 1e-4);
  const auto on_device = resumed(host(), device, amid(is_adding, RowStage::adding));
  expect_same_network(on_device->network(), expected->network(), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Replicas, ClosedFormResumedOnDevice, testing::Values(1, 2),
                         testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(Replicas, ClosedFormOnDevice, testing::Values(1, 2),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace weft
