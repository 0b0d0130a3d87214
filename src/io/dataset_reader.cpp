#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/io/dataset.hpp"

#include "io/recording_file.hpp"
#include "io/rehearsal.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

/// As many trajectories as a simulation may have.
constexpr std::int64_t kMostValues = 1'000'000;

/// The values of a quantity that may be an attribute of the file or of `/activity`, or a dataset of its own.
template <hdf5::Number T>
std::optional<std::vector<T>> find_values(const RecordingFile& recording, const std::string& name) {
  if (recording.file.attributes().has(name)) return recording.file.attributes().read<T>(name);
  const hdf5::Dataset activity = recording.file.dataset("/activity");
  if (activity.attributes().has(name)) return activity.attributes().read<T>(name);
  if (!recording.file.has_dataset("/" + name)) return std::nullopt;
  const hdf5::Dataset values = recording.checked_dataset("/" + name);
  if (hdf5::holds_at_most(values.shape(), kMostValues)) return values.read_all<T>();
  throw UserError({values.place(), "its shape is " + hdf5::text_of(values.shape()),
                   fmt::format("{} values at most", kMostValues), "correct it"});
}

double read_dt(const RecordingFile& recording) {
  const std::string place = recording.file.path().string();
  const std::optional<std::vector<double>> values = find_values<double>(recording, "dt");
  if (!values) {
    throw UserError({place, "no dt, the time between frames",
                     "an attribute dt of the file or of /activity, or a scalar dataset /dt", "add it"});
  }
  if (values->size() != 1) {
    throw UserError({place, fmt::format("dt holds {} values", values->size()), "one number", "correct it"});
  }
  const double dt = values->front();
  if (!std::isfinite(dt) || dt <= 0) {
    throw UserError({place, fmt::format("dt is {}", dt), "a finite number above 0", "correct it"});
  }
  return dt;
}

std::vector<std::int64_t> read_trajectory_starts(const RecordingFile& recording) {
  const auto starts =
      find_values<std::int64_t>(recording, "trajectory_starts").value_or(std::vector<std::int64_t>{0});
  const bool ascending =
      std::adjacent_find(starts.begin(), starts.end(), std::greater_equal<>()) == starts.end();
  if (starts.empty() || starts.front() != 0 || starts.back() >= recording.frames || !ascending) {
    throw UserError({recording.file.path().string(), "trajectory_starts are no first frames of trajectories",
                     fmt::format("ascending frame numbers, 0 first, below {}", recording.frames),
                     "correct them"});
  }
  return starts;
}

/// A cheap look for damage: shapes and sources, not values.
void check_truth(const RecordingFile& recording) {
  recording.checked_dataset("/truth/connectivity", {recording.neurons, recording.neurons});
  recording.checked_dataset("/truth/neuron_type", {recording.neurons});
}

DatasetInfo read_info(const RecordingFile& recording) {
  const hdf5::Attributes attributes = recording.file.attributes();
  DatasetInfo info;
  info.frames = recording.frames;
  info.neurons = recording.neurons;
  info.dt = read_dt(recording);
  info.trajectory_starts = read_trajectory_starts(recording);
  info.has_derivative = recording.file.has_dataset("/derivative");
  info.has_truth = recording.has_truth();
  info.config = attributes.read_text("config");
  info.config_hash = attributes.read_text("config_hash");
  info.version = attributes.read_text("version");
  return info;
}

}  // namespace

struct Dataset::Impl {
  explicit Impl(const fs::path& path)
      : file(path),
        recording(path),
        info(read_info(recording)),
        activity(recording.checked_dataset("/activity")) {
    if (info.has_derivative)
      derivative = recording.checked_dataset("/derivative", {info.frames, info.neurons});
    if (info.has_truth) check_truth(recording);
  }

  void try_reading() const {
    recording.try_reading(activity);
    if (derivative) recording.try_reading(*derivative);
  }

  std::vector<float> read(const hdf5::Dataset& dataset, std::int64_t first_frame, std::int64_t frames,
                          std::int64_t first_neuron, std::int64_t neurons) const {
    std::vector<float> values(static_cast<std::size_t>(frames * neurons));
    dataset.read({first_frame, first_neuron}, {frames, neurons}, std::span(values));
    const auto broken =
        std::find_if_not(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    if (broken == values.end()) return values;
    const std::int64_t at = broken - values.begin();
    throw UserError({dataset.place(),
                     fmt::format("the value at frame {}, neuron {} (counted from 0) is {}",
                                 first_frame + at / neurons, first_neuron + at % neurons, *broken),
                     "finite numbers", "mend or leave out such frames or neurons"});
  }

  fs::path file;
  RecordingFile recording;
  DatasetInfo info;
  hdf5::Dataset activity;
  std::optional<hdf5::Dataset> derivative;
};

Dataset::Dataset(const fs::path& file) {
  rehearse(file, [&file] { Impl(file).try_reading(); });
  impl_ = std::make_unique<Impl>(file);
}
Dataset::~Dataset() = default;
Dataset::Dataset(Dataset&&) noexcept = default;

const DatasetInfo& Dataset::info() const { return impl_->info; }
const fs::path& Dataset::file() const { return impl_->file; }

std::vector<float> Dataset::read_activity(std::int64_t first_frame, std::int64_t frames,
                                          std::int64_t first_neuron, std::int64_t neurons) const {
  return impl_->read(impl_->activity, first_frame, frames, first_neuron, neurons);
}

std::vector<float> Dataset::read_derivative(std::int64_t first_frame, std::int64_t frames,
                                            std::int64_t first_neuron, std::int64_t neurons) const {
  require(impl_->derivative.has_value(), "the derivative of a dataset that has one");
  return impl_->read(*impl_->derivative, first_frame, frames, first_neuron, neurons);
}

}  // namespace weft
