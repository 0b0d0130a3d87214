#include "weft/eval/neuron_table.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"

namespace weft {
namespace {

double median(std::vector<double> values) {
  const std::size_t middle = (values.size() - 1) / 2;
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(middle));
  return values[middle];
}

std::string_view name_of(PresynapticState state) {
  switch (state) {
    case PresynapticState::heard:
      return "heard";
    case PresynapticState::silent:
      return "silent";
    case PresynapticState::saturated:
      return "saturated";
  }
  throw InternalError("an unknown presynaptic state");
}

/// A cell: empty where the column is.
std::string number_text(const std::vector<double>& column, std::size_t neuron) {
  return column.empty() ? "" : fmt::format("{:.9g}", column[neuron]);
}

/// A neuron whose rate is not above 0 has no time constant.
std::string tau_text(const FittedParameters& fitted, std::size_t neuron) {
  if (fitted.empty() || !(fitted.rate[neuron] > 0)) return "";
  return fmt::format("{:.9g}", 1 / fitted.rate[neuron]);
}

}  // namespace

WeightErrors gather_weight_errors(Communicator& rows, const RecoveredModel& model, WeightErrors own) {
  const std::vector<std::int64_t> sizes = model.partition().sizes();
  own.row = gather_blocks(rows, std::move(own.row), sizes);
  own.residual = gather_blocks(rows, std::move(own.residual), sizes);
  return own;
}

std::vector<double> outgoing_errors(const WeightErrors& errors, const Gauge& gauge) {
  const double scale = std::abs(gauge.weight_scale()) * median(errors.row);
  std::vector<double> outgoing = errors.column;
  for (double& error : outgoing) error *= scale;
  return outgoing;
}

std::string neurons_csv(const NeuronTable& table) {
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out,
                 "neuron,cluster,type,latent_0,latent_1,tau,s,residual,sigma,outgoing_weight_error,"
                 "presynaptic\n");
  for (std::size_t i = 0; i < table.cluster.size(); ++i) {
    fmt::format_to(out, "{},{},{},{:.9g},{:.9g},{},{},{},{},{},{}\n", i, table.cluster[i],
                   table.type.empty() ? "" : std::to_string(table.type[i]), table.latents[i][0],
                   table.latents[i][1], tau_text(table.fitted, i), number_text(table.fitted.self_coupling, i),
                   number_text(table.errors.residual, i), number_text(table.errors.row, i),
                   number_text(table.outgoing_error, i),
                   table.errors.state.empty() ? "" : name_of(table.errors.state[i]));
  }
  return fmt::to_string(text);
}

}  // namespace weft
