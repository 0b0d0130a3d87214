#include "golden.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <hdf5.h>

#include "support/paths.hpp"

namespace weft {
namespace {

constexpr std::size_t kNeurons = 200;
constexpr std::size_t kHidden = 64;

class GoldenFile {
 public:
  GoldenFile() : file_(H5Fopen((golden_folder() / "eval_n200.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)) {
    if (file_ < 0) throw std::runtime_error("cannot open the golden file");
  }
  ~GoldenFile() { H5Fclose(file_); }
  GoldenFile(const GoldenFile&) = delete;
  GoldenFile& operator=(const GoldenFile&) = delete;

  template <typename T>
  std::vector<T> read(const std::string& name, std::size_t count, hid_t type) const {
    const hid_t dataset = H5Dopen2(file_, name.c_str(), H5P_DEFAULT);
    const hid_t space = H5Dget_space(dataset);
    std::vector<T> values(count);
    const bool done = H5Sget_simple_extent_npoints(space) == static_cast<hssize_t>(count) &&
                      H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0;
    H5Sclose(space);
    H5Dclose(dataset);
    if (!done) throw std::runtime_error("cannot read " + name + " of the golden file");
    return values;
  }
  std::vector<float> floats(const std::string& name, std::size_t count) const {
    return read<float>(name, count, H5T_NATIVE_FLOAT);
  }
  std::vector<std::int64_t> integers(const std::string& name, std::size_t count) const {
    return read<std::int64_t>(name, count, H5T_NATIVE_INT64);
  }
  double attribute(const std::string& object, const char* name) const {
    const hid_t id = H5Aopen_by_name(file_, object.c_str(), name, H5P_DEFAULT, H5P_DEFAULT);
    double value = 0;
    const bool done = H5Aread(id, H5T_NATIVE_DOUBLE, &value) >= 0;
    H5Aclose(id);
    if (!done) throw std::runtime_error("cannot read attribute " + object + "." + name);
    return value;
  }

 private:
  hid_t file_;
};

/// inputs - 64 - 64 - 1 with ReLU, by plain loops.
class GoldenMlp {
 public:
  GoldenMlp(const GoldenFile& file, const std::string& group, std::size_t inputs)
      : weight0_(file.floats(group + "/weight0", kHidden * inputs)),
        bias0_(file.floats(group + "/bias0", kHidden)),
        weight1_(file.floats(group + "/weight1", kHidden * kHidden)),
        bias1_(file.floats(group + "/bias1", kHidden)),
        weight2_(file.floats(group + "/weight2", kHidden)),
        bias2_(file.floats(group + "/bias2", 1)) {}

  double operator()(const std::vector<double>& input) const {
    const auto second = layer(weight1_, bias1_, layer(weight0_, bias0_, input));
    double value = bias2_[0];
    for (std::size_t i = 0; i < kHidden; ++i) value += weight2_[i] * second[i];
    return value;
  }

 private:
  static std::vector<double> layer(const std::vector<float>& weight, const std::vector<float>& bias,
                                   const std::vector<double>& input) {
    std::vector<double> output(bias.begin(), bias.end());
    for (std::size_t i = 0; i < output.size(); ++i) {
      for (std::size_t j = 0; j < input.size(); ++j) output[i] += weight[i * input.size() + j] * input[j];
      output[i] = std::max(output[i], 0.0);
    }
    return output;
  }

  std::vector<float> weight0_, bias0_, weight1_, bias1_, weight2_, bias2_;
};

}  // namespace

Assembly golden_assembly() {
  const GoldenFile file;
  Assembly assembly;
  assembly.connectivity = file.floats("connectivity", kNeurons * kNeurons);
  assembly.types.neuron_type = file.integers("neuron_type", kNeurons);
  const auto parameters = file.floats("parameters", 12);
  assembly.types.parameters.assign(parameters.begin(), parameters.end());
  assembly.frames = 40;
  assembly.activity = random_activity(assembly.frames, kNeurons, file.attribute("/", "xnorm") / 1.5);
  return assembly;
}

GoldenCase::GoldenCase(const std::string& name) {
  const GoldenFile file;
  model.connectivity = file.floats(name + "/learned/W", kNeurons * kNeurons);
  const auto a = file.floats(name + "/learned/a", kNeurons * 2);
  for (std::size_t i = 0; i < kNeurons; ++i) model.latents.push_back({a[2 * i], a[2 * i + 1]});
  model.psi = [mlp = GoldenMlp(file, name + "/learned/psi", 1)](double x) { return mlp({x}); };
  model.phi = [mlp = GoldenMlp(file, name + "/learned/phi", 3), latents = model.latents](std::int64_t neuron,
                                                                                         double x) {
    return mlp({x, latents[neuron][0], latents[neuron][1]});
  };
  c = file.attribute(name, "c");
  slope = file.attribute(name, "slope");
  r2 = file.attribute(name, "R2");
  accuracy = file.attribute(name, "accuracy");
  clusters = static_cast<std::int64_t>(file.attribute(name, "n_clusters"));
  corrected_connectivity = file.floats(name + "/corrected_W", kNeurons * kNeurons);
  cluster_label = file.integers(name + "/cluster_label", kNeurons);
}

}  // namespace weft
