#include <algorithm>

#include "weft/io/dataset.hpp"
#include "weft/io/truth.hpp"

#include "support/temporary_folder.hpp"
#include "target.hpp"

namespace weft::fuzz {
namespace {

constexpr std::int64_t kMostFrames = 4;
constexpr std::int64_t kMostNeurons = 100000;

/// The first and the last frames, and neurons, as a rank would read its own.
void read_frames(const Dataset& dataset) {
  const DatasetInfo& info = dataset.info();
  const std::int64_t frames = std::min(info.frames, kMostFrames);
  const std::int64_t neurons = std::min(info.neurons, kMostNeurons);
  for (const std::int64_t first : {std::int64_t{0}, info.frames - frames}) {
    dataset.read_activity(first, frames, info.neurons - neurons, neurons);
    if (info.has_derivative) dataset.read_derivative(first, frames, 0, neurons);
  }
}

void read_truth(const std::filesystem::path& file, std::int64_t neurons) {
  const Truth truth(file);
  std::vector<float> row(static_cast<std::size_t>(neurons));
  truth.read_connectivity(GlobalRow{0}, row);
  truth.read_connectivity(GlobalRow{neurons - 1}, row);
}

void read(View input) {
  static const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "activity.h5";
  write_file(file, input);
  const Dataset dataset(file);
  read_frames(dataset);
  if (dataset.info().has_truth) read_truth(file, dataset.info().neurons);
}

std::vector<std::string> words() {
  return {"activity", "derivative", "truth", "dt",   "trajectory_starts",
          "config",   "TREE",       "HEAP",  "SNOD", "GCOL",
          "OHDR",     "OCHK",       "FRHP",  "BTHD", "."};
}

}  // namespace

const Target kDataset{"dataset", [](View input) { return outcome_of(read, input); },
                      [] { return files_of(corpus_of("dataset")); }, words};

}  // namespace weft::fuzz
