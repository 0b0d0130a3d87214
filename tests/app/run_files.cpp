#include "run_files.hpp"

#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"

namespace weft {

nlohmann::json metrics_of(const std::filesystem::path& run) {
  return nlohmann::json::parse(read_text(run / "results" / "metrics.json"));
}

nlohmann::json findings_of(const std::filesystem::path& run) {
  nlohmann::json metrics = metrics_of(run);
  for (const char* name : {"timing", "memory", "provenance", "checkpoints"}) metrics.erase(name);
  return metrics;
}

std::map<std::string, std::vector<double>> dataset_of(const std::filesystem::path& run) {
  const hdf5::File view = hdf5::File::open(run / "data" / "activity.h5");
  std::map<std::string, std::vector<double>> arrays;
  for (const char* name :
       {"/activity", "/derivative", "/truth/connectivity", "/truth/neuron_type", "/truth/parameters"})
    arrays[name] = view.dataset(name).read_all<double>();
  return arrays;
}

std::map<std::string, std::vector<double>> checkpoint_of(const std::filesystem::path& run) {
  std::map<std::string, std::vector<double>> arrays;
  for (const std::filesystem::path& path : list_folder(latest_checkpoint(run / "checkpoints"))) {
    if (path.extension() != ".h5") continue;
    const hdf5::File file = hdf5::File::open(path);
    for (const std::string& name : file.dataset_names()) {
      const std::vector<double> part = file.dataset(name).read_all<double>();
      arrays[name].insert(arrays[name].end(), part.begin(), part.end());
    }
  }
  return arrays;
}

std::uintmax_t bytes_of_panel(const std::filesystem::path& run, char letter, const std::string& ending) {
  const std::string beginning = std::string("panel_") + letter + "_";
  for (const std::filesystem::path& file : list_folder(run / "results")) {
    if (file.filename().string().starts_with(beginning) && file.extension() == ending)
      return std::filesystem::file_size(file);
  }
  return 0;
}

}  // namespace weft
