#include "weft/io/truth.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "weft/core/error.hpp"

#include "io/recording_file.hpp"
#include "io/rehearsal.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

NeuronTypeTruth read_types(const RecordingFile& recording) {
  const hdf5::Dataset labels = recording.checked_dataset("/truth/neuron_type", {recording.neurons});
  const hdf5::Shape table = recording.file.dataset("/truth/parameters").shape();
  const std::int64_t types = table.empty() ? 0 : std::clamp<std::int64_t>(table[0], 0, recording.neurons);
  const hdf5::Dataset parameters = recording.checked_dataset("/truth/parameters", {types, 3});
  NeuronTypeTruth truth{labels.read_all<std::int64_t>(), parameters.read_all<double>()};
  const auto unknown = std::find_if(truth.neuron_type.begin(), truth.neuron_type.end(),
                                    [&](std::int64_t type) { return type < 0 || type >= types; });
  if (unknown == truth.neuron_type.end()) return truth;
  throw UserError({labels.place(),
                   fmt::format("neuron {} is of type {}", unknown - truth.neuron_type.begin(), *unknown),
                   fmt::format("types below {}, the rows of /truth/parameters", types), "correct it"});
}

}  // namespace

struct Truth::Impl {
  explicit Impl(const fs::path& path)
      : recording(path),
        types(read_types(recording)),
        connectivity(
            recording.checked_dataset("/truth/connectivity", {recording.neurons, recording.neurons})) {}

  RecordingFile recording;
  NeuronTypeTruth types;
  hdf5::Dataset connectivity;
};

Truth::Truth(const fs::path& file) {
  rehearse(file, [&file] {
    const Impl impl(file);
    impl.recording.try_reading(impl.connectivity);
  });
  impl_ = std::make_unique<Impl>(file);
}
Truth::~Truth() = default;
Truth::Truth(Truth&&) noexcept = default;

const NeuronTypeTruth& Truth::types() const { return impl_->types; }

void Truth::read_connectivity(GlobalRow first_row, std::span<float> rows) const {
  const std::int64_t neurons = impl_->recording.neurons;
  impl_->connectivity.read({index(first_row), 0}, {static_cast<std::int64_t>(rows.size()) / neurons, neurons},
                           rows);
}

}  // namespace weft
