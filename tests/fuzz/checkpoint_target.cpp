#include <array>
#include <cstdint>

#include "weft/io/checkpoint.hpp"
#include "weft/io/files.hpp"

#include "support/temporary_folder.hpp"
#include "target.hpp"

namespace weft::fuzz {
namespace fs = std::filesystem;
namespace {

constexpr const char* kManifest = "manifest.json";
constexpr std::array kFiles{kManifest, "common.h5", "shard_r0000_of_0002.h5", "shard_r0001_of_0002.h5"};

fs::path sound() { return corpus_of("checkpoint") / "sound"; }

/// A copy of the sound checkpoint, of which one file at a time is another.
class Folder {
 public:
  Folder() {
    for (const char* name : kFiles) restore(name);
  }

  const fs::path& path() const { return folder_.path(); }

  void replace(const std::string& name, View bytes) {
    restore(replaced_);
    restore(kManifest);
    write_file(path() / name, bytes);
    replaced_ = name;
  }

 private:
  void restore(const std::string& name) const {
    fs::copy_file(sound() / name, path() / name, fs::copy_options::overwrite_existing);
  }

  TemporaryFolder folder_;
  std::string replaced_ = kManifest;
};

/// What a training that goes on reads.
void read_arrays(const Checkpoint& checkpoint) {
  constexpr std::int64_t kNeurons = 5;
  checkpoint.require_neurons(kNeurons);
  std::array<float, 3 * kNeurons> rows{};
  checkpoint.read_rows("connectivity", GlobalRow{1}, 3, std::span(rows));
  std::array<double, 2 * kNeurons> latents{};
  checkpoint.read_rows("latents", GlobalRow{0}, kNeurons, std::span(latents));
  checkpoint.read_common("psi/coefficients");
  checkpoint.read_common("training/steps");
  checkpoint.arrays();
}

void read(View input) {
  static Folder folder;
  const std::size_t choice = input.empty() ? 0 : std::to_integer<std::size_t>(input.front());
  folder.replace(kFiles[choice % kFiles.size()], input.empty() ? input : input.subspan(1));
  const Checkpoint checkpoint(folder.path());
  read_arrays(checkpoint);
  checkpoint.verify();
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> all;
  const auto add = [&all](std::size_t choice, const fs::path& file) {
    const std::string text = static_cast<char>('0' + choice) + read_text(file);
    const View bytes = bytes_of(text);
    all.emplace_back(bytes.begin(), bytes.end());
  };
  static_assert('0' % kFiles.size() == 0);
  for (std::size_t choice = 0; choice < kFiles.size(); ++choice) add(choice, sound() / kFiles[choice]);
  for (const fs::path& manifest : list_folder(corpus_of("checkpoint") / "manifests")) add(0, manifest);
  return all;
}

std::vector<std::string> words() {
  return {"\"",
          "{",
          "}",
          "[",
          "]",
          ":",
          ",",
          "null",
          "true",
          "{}",
          "[]",
          "-",
          "\\u0000",
          "\"..\"",
          "\"../\"",
          "\"/\"",
          "\"name\"",
          "\"\"",
          "1e999",
          "0.5",
          "name",
          "bytes",
          "xxh3",
          "row_begin",
          "row_end",
          "neurons",
          "step",
          "files",
          "number",
          "complete",
          "common.h5",
          "findings",
          "format_version",
          "shard_r0000_of_0002.h5"};
}

}  // namespace

const Target kCheckpoint{"checkpoint", [](View input) { return outcome_of(read, input); }, seeds, words};

}  // namespace weft::fuzz
