#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weft/core/philox.hpp"
#include "weft/kernels/mlp_kernels.hpp"

namespace weft {

/// Linear(inputs, 64) - ReLU - Linear(64, 64) - ReLU - Linear(64, 1): psi* with one input, phi* with three
/// (Allier et al. 2026, methods; the published code's MLP). All parameters lie in one flat vector, so that
/// one buffer serves the optimiser and the all-reduce; weights are (out x in). Local.
class Mlp {
 public:
  static constexpr std::int64_t hidden = kMlpHidden;

  /// What the backward pass needs of a forward pass.
  struct Tape {
    at::Tensor input;   ///< (rows x inputs)
    at::Tensor first;   ///< (rows x hidden), after the ReLU
    at::Tensor second;  ///< (rows x hidden), after the ReLU
  };

  Mlp(std::int64_t inputs, at::ScalarType type);

  /// A copy on another device; itself where it is there already.
  Mlp to(at::Device device) const;

  /// The published initialisation: the first layer uniform within +-1/sqrt(inputs), weights and bias; the
  /// other weights normal with standard deviation 0.1, their biases 0.
  void initialise(const Philox& random);

  at::Tensor& parameters() { return parameters_; }
  const at::Tensor& parameters() const { return parameters_; }
  /// The parameters named weight0, bias0, ..., bias2, as views.
  std::vector<std::pair<std::string, at::Tensor>> named_parameters() const;

  /// (rows x inputs) to (rows).
  at::Tensor forward(const at::Tensor& input) const;
  at::Tensor forward(const at::Tensor& input, Tape& tape) const;
  /// Adds the gradient of sum_r output_gradient[r] * output[r] to `gradient`, laid out as parameters(); of
  /// the tape's rows [first_row, first_row + output_gradient.size(0)) only. Returns the gradient of the first
  /// hidden layer before its ReLU, (rows x hidden), from which `input_gradient` follows where somebody wants
  /// it.
  at::Tensor backward(const Tape& tape, std::int64_t first_row, const at::Tensor& output_gradient,
                      at::Tensor& gradient) const;
  /// (rows x inputs).
  at::Tensor input_gradient(const at::Tensor& first_layer_gradient) const;

 private:
  struct Layers {
    std::array<at::Tensor, 3> weight;
    std::array<at::Tensor, 3> bias;
  };
  Layers layers(const at::Tensor& flat) const;

  std::int64_t inputs_;
  at::Tensor parameters_;
  Layers views_;
};

}  // namespace weft
