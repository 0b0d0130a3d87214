#include "io/recording_file.hpp"

#include <algorithm>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/error.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFormats = "see docs/file-formats.md for what a recording must hold";
/// What no file exceeds that is not damaged; sums and products of such numbers stay within 64 bits.
constexpr std::int64_t kMostNeurons = 10'000'000;
constexpr std::int64_t kMostFrames = 100'000'000'000;

/// A vector may fill a row or a column.
hdf5::Shape without_ones(hdf5::Shape shape) {
  std::erase(shape, 1);
  return shape;
}

[[noreturn]] void throw_bad_source(const hdf5::Dataset& view, const fs::path& source,
                                   const std::string& found) {
  throw UserError({view.place(), fmt::format("its part {} {}", source.string(), found), "",
                   "copy the whole folder of the dataset, or make it again"});
}

void check_source(const hdf5::Dataset& view, const fs::path& file, const hdf5::VirtualSource& expected) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) throw_bad_source(view, file, "is missing");
  const hdf5::Shape shape = hdf5::File::open(file).dataset(expected.dataset).shape();
  if (expected.shape.empty() || without_ones(shape) == without_ones(expected.shape)) return;
  throw_bad_source(view, file,
                   fmt::format("holds {} {}, not {}", expected.dataset, hdf5::text_of(shape),
                               hdf5::text_of(expected.shape)));
}

void check_sources(const hdf5::Dataset& view, const fs::path& folder) {
  for (const hdf5::VirtualSource& source : view.sources()) {
    const bool in_the_same_file = source.file == ".";
    if (!in_the_same_file) check_source(view, folder / source.file, source);
  }
}

hdf5::Shape activity_shape(const hdf5::Dataset& activity) {
  const hdf5::Shape shape = activity.shape();
  if (shape.size() != 2 || shape[0] <= 0 || shape[1] <= 0) {
    throw UserError({activity.place(), "its shape is " + hdf5::text_of(shape),
                     "(frames, neurons), time first", kFormats});
  }
  if (shape[0] > kMostFrames || shape[1] > kMostNeurons) {
    throw UserError({activity.place(), "its shape is " + hdf5::text_of(shape),
                     fmt::format("{} frames of {} neurons at most", kMostFrames, kMostNeurons), kFormats});
  }
  return shape;
}

}  // namespace

RecordingFile::RecordingFile(const fs::path& path) : file(hdf5::File::open(path)) {
  const hdf5::Shape shape = activity_shape(checked_dataset("/activity"));
  frames = shape[0];
  neurons = shape[1];
}

hdf5::Dataset RecordingFile::checked_dataset(const std::string& name) const {
  hdf5::Dataset dataset = file.dataset(name);
  if (!dataset.holds_numbers())
    throw UserError({dataset.place(), "it holds no numbers", "numbers", kFormats});
  check_sources(dataset, fs::absolute(file.path()).parent_path());
  return dataset;
}

hdf5::Dataset RecordingFile::checked_dataset(const std::string& name, const hdf5::Shape& shape) const {
  hdf5::Dataset dataset = checked_dataset(name);
  if (dataset.shape() != shape) {
    throw UserError(
        {dataset.place(), "its shape is " + hdf5::text_of(dataset.shape()),
         fmt::format("{}, as /activity is {}", hdf5::text_of(shape), hdf5::text_of({frames, neurons})),
         kFormats});
  }
  return dataset;
}

void RecordingFile::try_reading(const hdf5::Dataset& dataset) const {
  constexpr std::int64_t kMostNumbers = 1 << 24;
  const hdf5::Shape shape = dataset.shape();
  require(shape.size() == 2, "a matrix to try reading");
  const std::int64_t rows = std::min(shape[0], std::max<std::int64_t>(1, kMostNumbers / shape[1]));
  std::vector<float> values(static_cast<std::size_t>(rows * shape[1]));
  for (const std::int64_t first : {std::int64_t{0}, shape[0] - rows})
    dataset.read({first, 0}, {rows, shape[1]}, std::span(values));
  dataset.find_chunks();
}

bool RecordingFile::has_truth() const {
  return file.has_dataset("/truth/connectivity") && file.has_dataset("/truth/neuron_type") &&
         file.has_dataset("/truth/parameters");
}

}  // namespace weft
