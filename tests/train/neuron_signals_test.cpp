#include "weft/train/neuron_signals.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "weft/core/error.hpp"

#include "assembly.hpp"
#include "model/random_tensor.hpp"
#include "support/mpi_main.hpp"

namespace weft {
namespace {

constexpr std::int64_t kNeurons = Assembly::neurons, kFrames = Assembly::frames;
constexpr std::int64_t kGroups = 3, kSplines = 12, kRows = 5;
// In no order, one of them twice.
const std::vector<std::int64_t> kChosen{7, 1, 39, 20, 7, 2};

std::vector<std::int64_t> groups_of_neurons() {
  std::vector<std::int64_t> group;
  for (std::int64_t j = 0; j < kNeurons; ++j) group.push_back(j * j % kGroups);  // 0 and 1
  group.back() = 2;
  return group;
}

std::vector<double> random_numbers(std::int64_t count, std::uint64_t seed) {
  const at::Tensor values = random_tensor({count}, seed);
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + count};
}

class MadeSignals : public testing::Test {
 protected:
  NeuronSignals signals(std::vector<std::int64_t> group) const {
    return make_signals(test_world(), assembly_.data(partition_, test_world().rank()), std::move(group));
  }
  /// Own columns.
  at::Tensor own(const at::Tensor& values) const {
    const int shard = test_world().rank();
    return values.narrow(1, partition_.begin(shard), partition_.size(shard)).to(at::kFloat);
  }

  Assembly assembly_;
  RowPartition partition_{kNeurons, test_world().size()};
};

TEST_F(MadeSignals, CoordinateIsFineInADeviationOfAllActivity) {
  const NeuronSignals made = signals({});
  const at::Tensor all = assembly_.activity;
  const double deviation = std::sqrt((all - all.mean()).square().mean().item<double>());
  EXPECT_NEAR(made.axis.scale, deviation / 8, 1e-6 * deviation);
  const at::Tensor expected = (own(all).to(at::kDouble) / made.axis.scale).asinh();
  ASSERT_EQ(made.coordinate.scalar_type(), at::kFloat);
  EXPECT_LT((made.coordinate - expected).abs().max().item<double>(), 2e-6);
  EXPECT_TRUE(made.derivative.equal(own(assembly_.derivative)));
}

TEST_F(MadeSignals, AxisCoversTheActivityOfAllShards) {
  const SplineAxis axis = signals({}).axis;
  const double lowest = axis.coordinate(assembly_.activity.min().item<double>());
  const double highest = axis.coordinate(assembly_.activity.max().item<double>());
  // A little inside, so that none is at the very end.
  EXPECT_GT(lowest, 1e-5);
  EXPECT_LT(lowest, 1e-3);
  EXPECT_LT(highest, 1 - 1e-5);
  EXPECT_GT(highest, 1 - 1e-3);
  for (const double number : {axis.scale, axis.low, axis.width}) {
    for (const double other : gather_numbers(test_world(), number)) EXPECT_EQ(other, number);
  }
}

TEST_F(MadeSignals, HaveOnePsiUnlessGroupsAreGiven) {
  const NeuronSignals one = signals({});
  EXPECT_EQ(one.groups, 1);
  EXPECT_EQ(one.group, std::vector<std::int64_t>(kNeurons, 0));
  const NeuronSignals three = signals(groups_of_neurons());
  EXPECT_EQ(three.groups, kGroups);  // even where no own neuron is in the last
  EXPECT_EQ(three.group, groups_of_neurons());
  EXPECT_EQ(three.rows(), partition_.size(test_world().rank()));
}

TEST_F(MadeSignals, GroupsOfOtherNeuronsAreABug) { EXPECT_THROW(signals({0, 1, 0}), InternalError); }

struct Form {
  EquationForm form;
  std::string name;
};

/// By the form of the equations.
class NeuronSignalsIn : public MadeSignals, public testing::WithParamInterface<Form> {
 protected:
  const EquationForm& form() const { return GetParam().form; }
  /// `value(frame, own neuron)` at the chosen frames, differenced where the form is.
  template <typename Value>
  at::Tensor expected(Value value) const {
    at::Tensor result = at::zeros({std::ssize(kChosen), signals_.rows()}, at::kDouble);
    for (std::int64_t f = 0; f < std::ssize(kChosen); ++f) {
      const std::int64_t frame = kChosen[static_cast<std::size_t>(f)];
      for (std::int64_t j = 0; j < signals_.rows(); ++j)
        result[f][j] = form().differenced ? value(frame, j) - value(frame - 1, j) : value(frame, j);
    }
    return result;
  }
  /// Where an own neuron's activity lies on the axis.
  double place(std::int64_t frame, std::int64_t neuron) const {
    return (signals_.coordinate[frame][neuron].item<double>() - signals_.axis.low) / signals_.axis.width;
  }
  std::int64_t group(std::int64_t neuron) const {
    return signals_.group[static_cast<std::size_t>(partition_.begin(signals_.shard) + neuron)];
  }
  void expect_near(const at::Tensor& actual, const at::Tensor& slow) const {
    ASSERT_EQ(actual.scalar_type(), form().type);
    ASSERT_EQ(actual.sizes(), slow.sizes());
    EXPECT_LT((actual.to(at::kDouble) - slow).abs().max().item<double>(),
              form().type == at::kFloat ? 2e-5 : 1e-12);
  }

  NeuronSignals signals_ = signals(groups_of_neurons());
  UniformSplines basis_{kSplines};
};

TEST_P(NeuronSignalsIn, PsiIsThatOfEachNeuronsGroup) {
  const std::vector<double> psi = random_numbers(kGroups * kSplines, 1);
  expect_near(signals_.psi_values(kChosen, psi, form()), expected([&](std::int64_t frame, std::int64_t j) {
                const auto own =
                    std::span(psi).subspan(static_cast<std::size_t>(group(j) * kSplines), kSplines);
                return basis_.value(own, place(frame, j));
              }));
}

TEST_P(NeuronSignalsIn, RoundingIsThatOfAStepOfFloat32) {
  std::vector<double> psi;  // straight lines, steeper from group to group
  for (std::int64_t g = 0; g < kGroups; ++g)
    for (std::int64_t k = 0; k < kSplines; ++k) psi.push_back(static_cast<double>((g + 1) * k));
  const std::vector<double> actual = signals_.psi_rounding(kChosen, psi, form());
  ASSERT_EQ(std::ssize(actual), signals_.rows());
  for (std::int64_t j = 0; j < signals_.rows(); ++j) {
    const double slope = static_cast<double>((group(j) + 1) * basis_.intervals()) / signals_.axis.width;
    double squares = 0;
    for (const std::int64_t frame : kChosen) {
      const float u = signals_.coordinate[frame][j].item<float>();
      const double step = slope * (std::nextafter(u, 1e9F) - u);
      squares += step * step / static_cast<double>(kChosen.size());
    }
    // Twice uniform within a step; a difference has the errors of two frames.
    const double expected = squares / 6 * (form().differenced ? 2 : 1);
    EXPECT_NEAR(actual[static_cast<std::size_t>(j)], expected, 1e-3 * expected) << j;
  }
}

TEST_P(NeuronSignalsIn, AShapeIsTheSameForAllNeurons) {
  const std::vector<double> shape = random_numbers(kSplines, 2);
  expect_near(
      signals_.shape_values(kChosen, shape, form()),
      expected([&](std::int64_t frame, std::int64_t j) { return basis_.value(shape, place(frame, j)); }));
}

TEST_P(NeuronSignalsIn, DerivativesAreTheDataAtThoseFrames) {
  expect_near(signals_.derivative_values(kChosen, form()), expected([&](std::int64_t frame, std::int64_t j) {
                return signals_.derivative[frame][j].item<double>();
              }));
}

TEST_P(NeuronSignalsIn, SensitivityIsWhatEachCoefficientDoesToARow) {
  const at::Tensor all = random_tensor({kNeurons, kRows}, 3);
  const at::Tensor w =
      all.narrow(0, partition_.begin(signals_.shard), signals_.rows()).to(form().type).contiguous();
  const at::Tensor actual = signals_.psi_sensitivity(kChosen, w, kSplines, form());
  at::Tensor slow = at::zeros({std::ssize(kChosen), kRows, kGroups * kSplines}, at::kDouble);
  for (std::int64_t k = 0; k < kSplines; ++k) {
    std::vector<double> only(kSplines, 0);
    only[static_cast<std::size_t>(k)] = 1;
    const at::Tensor b =
        expected([&](std::int64_t frame, std::int64_t j) { return basis_.value(only, place(frame, j)); });
    for (std::int64_t j = 0; j < signals_.rows(); ++j)
      slow.select(2, group(j) * kSplines + k) += b.select(1, j).outer(w[j].to(at::kDouble));
  }
  expect_near(actual, slow);
}

TEST_P(NeuronSignalsIn, SensitivityWithWeightsOfOthersIsABug) {
  const at::Tensor w = at::zeros({signals_.rows() + 1, kRows}, form().type);
  EXPECT_THROW(signals_.psi_sensitivity(kChosen, w, kSplines, form()), InternalError);
}

INSTANTIATE_TEST_SUITE_P(Forms, NeuronSignalsIn,
                         testing::Values(Form{{false, at::kFloat}, "plain_float"},
                                         Form{{true, at::kFloat}, "differenced_float"},
                                         Form{{false, at::kDouble}, "plain_double"},
                                         Form{{true, at::kDouble}, "differenced_double"}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace weft
