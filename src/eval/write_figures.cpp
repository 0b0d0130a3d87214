#include <algorithm>
#include <span>
#include <string>

#include "weft/eval/figures.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

namespace weft {
namespace {

template <hdf5::Number T>
void write(const hdf5::File& file, const std::string& name, const hdf5::Shape& shape,
           const std::vector<T>& values) {
  file.create_dataset<T>(name, shape).write(hdf5::Shape(shape.size(), 0), shape, std::span<const T>(values));
}

/// What needs the truth is left out where it is unknown.
template <hdf5::Number T>
void write_if_known(const hdf5::File& file, const std::string& name, const hdf5::Shape& shape,
                    const std::vector<T>& values) {
  if (!values.empty()) write(file, name, shape, values);
}

void write_attributes(const hdf5::File& file, const Figures& figures) {
  file.attributes().write("xnorm", figures.xnorm);
  file.attributes().write("psi_scale", figures.psi_scale);
  file.attributes().write("psi_offset", figures.psi_offset);
}

void write_time_series(const hdf5::File& file, const TimeSeriesFigure& figure) {
  const auto frames = std::ssize(figure.time), neurons = std::ssize(figure.neuron);
  write(file, "time_series/time", {frames}, figure.time);
  write(file, "time_series/neuron", {neurons}, figure.neuron);
  write(file, "time_series/activity", {frames, neurons}, figure.activity);
}

void write_connectivity(const hdf5::File& file, const ConnectivityFigure& figure, std::int64_t neurons) {
  const auto shown = std::ssize(figure.index);
  const auto inset = std::min(neurons, kInsetNeurons);
  write(file, "connectivity/index", {shown}, figure.index);
  write(file, "connectivity/learned", {shown, shown}, figure.learned);
  write(file, "connectivity/inset_learned", {inset, inset}, figure.inset_learned);
  write_if_known(file, "connectivity/true", {shown, shown}, figure.truth);
  write_if_known(file, "connectivity/inset_true", {inset, inset}, figure.inset_truth);
}

void write_scatter(const hdf5::File& file, const WeightScatter& scatter) {
  const auto bins = std::ssize(scatter.edges) - 1;
  write(file, "scatter/edges", {bins + 1}, scatter.edges);
  write(file, "scatter/counts", {bins, bins}, scatter.counts);
  file.dataset("scatter/counts").attributes().write("outside", scatter.outside);
}

void write_latents(const hdf5::File& file, const LatentFigure& figure) {
  const auto neurons = std::ssize(figure.latents);
  std::vector<double> flat;
  for (const Latent& latent : figure.latents) flat.insert(flat.end(), latent.begin(), latent.end());
  write(file, "latents/a", {neurons, 2}, flat);
  write(file, "latents/cluster", {neurons}, figure.cluster);
  write_if_known(file, "latents/type", {neurons}, figure.type);
}

void write_phi(const hdf5::File& file, const PhiFigure& figure) {
  const auto points = std::ssize(figure.x), neurons = std::ssize(figure.neuron);
  write(file, "phi/x", {points}, figure.x);
  write(file, "phi/neuron", {neurons}, figure.neuron);
  write(file, "phi/learned", {neurons, points}, figure.learned);
  write_if_known(file, "phi/type", {neurons}, figure.type);
  write_if_known(file, "phi/true", {std::ssize(figure.truth) / points, points}, figure.truth);
}

void write_psi(const hdf5::File& file, const PsiFigure& figure) {
  const auto points = std::ssize(figure.x);
  write(file, "psi/x", {points}, figure.x);
  write(file, "psi/learned", {std::ssize(figure.learned) / points, points}, figure.learned);
  write_if_known(file, "psi/true", {points}, figure.truth);
}

}  // namespace

void write_figures(const std::filesystem::path& path, const Figures& figures) {
  const std::filesystem::path unfinished = path.string() + ".tmp";
  hdf5::File file = hdf5::File::create(unfinished);
  write_attributes(file, figures);
  write_time_series(file, figures.time_series);
  write_connectivity(file, figures.connectivity, std::ssize(figures.latents.latents));
  if (figures.scatter) write_scatter(file, *figures.scatter);
  write_latents(file, figures.latents);
  write_phi(file, figures.phi);
  write_psi(file, figures.psi);
  file.close();
  rename_durably(unfinished, path);
}

}  // namespace weft
