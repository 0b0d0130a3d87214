#include "golden.hpp"

#include <stdexcept>

#include <hdf5.h>

#include "support/paths.hpp"

namespace weft {
namespace {

template <typename T>
std::vector<T> read(hid_t file, const std::string& name, std::size_t count, hid_t type) {
  const hid_t dataset = H5Dopen2(file, name.c_str(), H5P_DEFAULT);
  if (dataset < 0) throw std::runtime_error("no dataset " + name + " in the golden file");
  const hid_t space = H5Dget_space(dataset);
  std::vector<T> values(count);
  const bool whole = H5Sget_simple_extent_npoints(space) == static_cast<hssize_t>(count);
  const bool done = whole && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0;
  H5Sclose(space);
  H5Dclose(dataset);
  if (!done) throw std::runtime_error("cannot read " + name + " of the golden file");
  return values;
}

NeuronParameters each_neuron(const std::vector<int>& types, const std::vector<float>& parameters) {
  NeuronParameters all;
  for (const int type : types) {
    const float* const of_type = &parameters[static_cast<std::size_t>(3 * type)];
    all.gain.push_back(of_type[0]);
    all.self_coupling.push_back(of_type[1]);
    all.decay.push_back(of_type[2]);
  }
  return all;
}

}  // namespace

GoldenRun::GoldenRun(const std::string& group) {
  const std::string path = (golden_folder() / "sim_n24.h5").string();
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) throw std::runtime_error("cannot open " + path);
  constexpr std::size_t neurons = kNeurons, values = kFrames * kNeurons;
  const std::string in = group + "/";
  connectivity = read<float>(file, in + "connectivity", neurons * neurons, H5T_NATIVE_FLOAT);
  parameters = each_neuron(read<int>(file, in + "neuron_type", neurons, H5T_NATIVE_INT),
                           read<float>(file, in + "parameters", 12, H5T_NATIVE_FLOAT));
  activity = read<float>(file, in + "activity", values, H5T_NATIVE_FLOAT);
  derivative = read<float>(file, in + "derivative", values, H5T_NATIVE_FLOAT);
  activity_float64 = read<double>(file, in + "activity_f64", values, H5T_NATIVE_DOUBLE);
  derivative_float64 = read<double>(file, in + "derivative_f64", values, H5T_NATIVE_DOUBLE);
  noise = group == "noise_free" ? std::vector<float>(values)
                                : read<float>(file, in + "noise", values, H5T_NATIVE_FLOAT);
  H5Fclose(file);
}

}  // namespace weft
