#include "weft/model/spline_network.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "weft/core/error.hpp"
#include "weft/model/tensor_view.hpp"

namespace weft {
namespace {

constexpr const char* kAnotherModel = "this checkpoint belongs to another model";

template <typename T>
ArrayView view_of(std::string name, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  return {std::move(name), std::move(shape), std::span<const T>(values)};
}

ArrayView view_of(std::string name, const std::int64_t& value) {
  return {std::move(name), {}, std::span(&value, 1)};
}

ArrayView view_of(std::string name, const SplineAxis& axis) {
  static_assert(sizeof(SplineAxis) == 3 * sizeof(double));
  return {std::move(name), {3}, std::span(&axis.scale, 3)};
}

/// HDF5 knows no enumerations of ours: the states go as the numbers that stand for them.
ArrayView view_of(std::string name, const std::vector<PresynapticState>& states) {
  static_assert(sizeof(PresynapticState) == sizeof(std::int64_t));
  return {std::move(name),
          {std::ssize(states)},
          std::span(reinterpret_cast<const std::int64_t*>(states.data()), states.size())};
}

/// The arrays of one checkpoint for one shard, checked.
class Source {
 public:
  Source(const Checkpoint& checkpoint, const RowPartition& partition, int shard)
      : checkpoint_(checkpoint), first_{partition.begin(shard)}, rows_(partition.size(shard)) {}

  bool has(const std::string& name) const { return checkpoint_.has(name); }
  at::Tensor tensor(const std::string& name, std::int64_t columns) const {
    at::Tensor values = at::empty({rows_, columns}, at::kFloat);
    checkpoint_.read_rows(
        name, first_, rows_,
        std::span(values.mutable_data_ptr<float>(), static_cast<std::size_t>(values.numel())));
    return values;
  }
  std::vector<double> rows(const std::string& name, std::int64_t columns = 1) const {
    std::vector<double> values(static_cast<std::size_t>(rows_ * columns));
    checkpoint_.read_rows(name, first_, rows_, std::span(values));
    return values;
  }
  std::vector<double> common(const std::string& name, std::int64_t count) const {
    std::vector<double> values = checkpoint_.read_common(name);
    if (std::ssize(values) != count) refuse(fmt::format("{} holds {} numbers", name, values.size()), count);
    return values;
  }
  /// `columns` numbers for each of one or more functions.
  std::vector<double> functions(const std::string& name, std::int64_t columns) const {
    std::vector<double> values = checkpoint_.read_common(name);
    if (values.empty() || std::ssize(values) % columns != 0) {
      refuse(fmt::format("{} holds {} numbers", name, values.size()),
             fmt::format("a multiple of {}", columns));
    }
    return values;
  }
  std::int64_t splines(const std::string& name) const {
    const auto count = static_cast<std::int64_t>(common(name, 1).front());
    if (count < 4) refuse(fmt::format("{} is {}", name, count), "4 or more");
    return count;
  }
  /// Whole numbers from 0 to below `bound`.
  template <typename T>
  std::vector<T> choices(const std::string& name, std::int64_t count, std::int64_t bound) const {
    std::vector<T> choices;
    for (const double value : common(name, count)) {
      const auto choice = static_cast<std::int64_t>(value);
      if (choice < 0 || choice >= bound) {
        refuse(fmt::format("{} holds {}", name, choice), fmt::format("0 to {}", bound - 1));
      }
      choices.push_back(static_cast<T>(choice));
    }
    return choices;
  }

 private:
  template <typename Expected>
  [[noreturn]] void refuse(const std::string& found, const Expected& expected) const {
    throw UserError({checkpoint_.folder().string(), found, fmt::format("{}", expected), kAnotherModel});
  }

  const Checkpoint& checkpoint_;
  GlobalRow first_;
  std::int64_t rows_;
};

WeightErrors load_errors(const Source& source, std::int64_t neurons) {
  return {source.rows("errors/row"), source.common("errors/column", neurons), source.rows("errors/residual"),
          source.choices<PresynapticState>("errors/state", neurons, 3)};
}

/// One function of many, at every x: (points).
std::vector<double> function_values(std::span<const double> coefficients, std::int64_t splines,
                                    std::int64_t function, const SplineAxis& axis,
                                    std::span<const double> x) {
  const UniformSplines basis(splines);
  const auto count = static_cast<std::size_t>(splines);
  const auto own = coefficients.subspan(static_cast<std::size_t>(function) * count, count);
  std::vector<double> values;
  values.reserve(x.size());
  for (const double point : x) values.push_back(basis.value(own, axis.coordinate(point)));
  return values;
}

using Curves = std::vector<std::vector<double>>;

class RecoveredSplines final : public RecoveredModel {
 public:
  explicit RecoveredSplines(SplineNetwork network) : network_(std::move(network)) {}

  const RowPartition& partition() const override { return network_.partition; }
  int shard() const override { return network_.shard; }

  RowBlock<const float> connectivity() const override {
    const std::int64_t columns = network_.connectivity.size(1);
    return {network_.connectivity.const_data_ptr<float>(), network_.rows(), columns, columns};
  }

  std::vector<double> embedding() const override {
    const float* values = network_.embedding.const_data_ptr<float>();
    return {values, values + network_.embedding.numel()};
  }

  std::vector<double> psi(std::span<const double> x) const override { return psi_of_group(0, x); }
  std::int64_t psi_groups() const override { return network_.groups(); }
  std::vector<double> psi_of_group(std::int64_t group, std::span<const double> x) const override {
    require(group >= 0 && group < network_.groups(), "a group of presynaptic neurons");
    return function_values(network_.psi, network_.psi_splines, group, network_.axis, x);
  }

  std::vector<double> phi(LocalRow first, std::int64_t count, std::span<const double> x) const override {
    require(index(first) >= 0 && count >= 0 && index(first) + count <= network_.rows(), "own neurons");
    const Curves psi = all_psi(x);
    const Curves shapes = all_shapes(x);
    const std::size_t points = x.size();
    std::vector<double> values(static_cast<std::size_t>(count) * points);
    at::parallel_for(0, count, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        add_phi(index(first) + i, psi, shapes,
                std::span(values).subspan(static_cast<std::size_t>(i) * points, points));
      }
    });
    return values;
  }

  std::optional<WeightErrors> weight_errors() const override { return network_.errors; }

 private:
  Curves all_psi(std::span<const double> x) const {
    Curves curves;
    for (std::int64_t g = 0; g < network_.groups(); ++g) curves.push_back(psi_of_group(g, x));
    return curves;
  }
  Curves all_shapes(std::span<const double> x) const {
    Curves curves;
    for (std::int64_t a = 0; a < network_.shapes(); ++a) {
      curves.push_back(function_values(network_.shape, network_.shape_splines, a, network_.axis, x));
    }
    return curves;
  }
  /// phi of one own neuron, added to `values`, from the functions it is made of.
  void add_phi(std::int64_t row, const Curves& psi, const Curves& shapes, std::span<double> values) const {
    const auto i = static_cast<std::size_t>(row);
    const auto own = static_cast<std::size_t>(network_.partition.begin(network_.shard)) + i;
    const std::vector<double>& own_psi = psi[static_cast<std::size_t>(network_.group[own])];
    for (std::size_t k = 0; k < values.size(); ++k) {
      values[k] += network_.constant[i] + network_.self_weight[i] * own_psi[k];
    }
    for (std::size_t a = 0; a < shapes.size(); ++a) {
      const double weight = network_.shape_weight[i * shapes.size() + a];
      for (std::size_t k = 0; k < values.size(); ++k) values[k] += weight * shapes[a][k];
    }
  }

  SplineNetwork network_;
};

}  // namespace

double SplineNetwork::psi_at(std::int64_t of_group, double x) const {
  return function_values(psi, psi_splines, of_group, axis, std::span(&x, 1)).front();
}

double SplineNetwork::phi_at(LocalRow row, double x) const {
  const auto i = static_cast<std::size_t>(index(row));
  const auto own = static_cast<std::size_t>(index(partition.global(shard, row)));
  double value = constant[i] + self_weight[i] * psi_at(group[own], x);
  for (std::int64_t a = 0; a < shapes(); ++a) {
    value += shape_weight[i * static_cast<std::size_t>(shapes()) + static_cast<std::size_t>(a)] *
             function_values(shape, shape_splines, a, axis, std::span(&x, 1)).front();
  }
  return value;
}

ModelArrays arrays_of(const SplineNetwork& network) {
  const std::int64_t rows = network.rows();
  const std::int64_t neurons = network.partition.rows();
  const std::int64_t shapes = network.shapes();
  ModelArrays arrays;
  arrays.rows = {view_of("connectivity", network.connectivity),
                 view_of("embedding", network.embedding),
                 view_of("spline/constant", {rows}, network.constant),
                 view_of("spline/self_weight", {rows}, network.self_weight),
                 view_of("errors/row", {rows}, network.errors.row),
                 view_of("errors/residual", {rows}, network.errors.residual)};
  arrays.common = {view_of("spline/axis", network.axis),
                   view_of("spline/psi_splines", network.psi_splines),
                   view_of("spline/shape_splines", network.shape_splines),
                   view_of("spline/psi", {network.groups(), network.psi_splines}, network.psi),
                   view_of("spline/group", {neurons}, network.group),
                   view_of("errors/column", {neurons}, network.errors.column),
                   view_of("errors/state", network.errors.state)};
  if (shapes > 0) {
    arrays.rows.push_back(view_of("spline/shape_weight", {rows, shapes}, network.shape_weight));
    arrays.common.push_back(view_of("spline/shape", {shapes, network.shape_splines}, network.shape));
  }
  return arrays;
}

SplineNetwork load_spline_network(const Checkpoint& checkpoint, const RowPartition& partition, int shard) {
  const std::int64_t neurons = partition.rows();
  checkpoint.require_neurons(neurons);
  const Source source(checkpoint, partition, shard);
  const std::vector<double> axis = source.common("spline/axis", 3);
  SplineNetwork network{partition, shard};
  network.connectivity = source.tensor("connectivity", neurons);
  network.embedding = source.tensor("embedding", 2);
  network.axis = {axis[0], axis[1], axis[2]};
  network.psi_splines = source.splines("spline/psi_splines");
  network.shape_splines = source.splines("spline/shape_splines");
  network.psi = source.functions("spline/psi", network.psi_splines);
  network.group = source.choices<std::int64_t>("spline/group", neurons, network.groups());
  if (source.has("spline/shape")) {
    network.shape = source.functions("spline/shape", network.shape_splines);
    network.shape_weight = source.rows("spline/shape_weight", network.shapes());
  }
  network.constant = source.rows("spline/constant");
  network.self_weight = source.rows("spline/self_weight");
  network.errors = load_errors(source, neurons);
  return network;
}

std::unique_ptr<RecoveredModel> recovered(SplineNetwork network) {
  return std::make_unique<RecoveredSplines>(std::move(network));
}

}  // namespace weft
