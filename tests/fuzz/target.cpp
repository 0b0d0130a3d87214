#include "target.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "support/paths.hpp"

namespace weft::fuzz {
namespace fs = std::filesystem;

fs::path corpus_of(std::string_view target) { return source_folder() / "tests" / "fuzz" / "corpus" / target; }

std::vector<Bytes> files_of(const fs::path& folder) {
  std::vector<Bytes> files;
  for (const fs::path& path : list_folder(folder)) {
    if (!fs::is_regular_file(path)) continue;
    const std::string text = read_text(path);
    const View bytes = bytes_of(text);
    files.emplace_back(bytes.begin(), bytes.end());
  }
  return files;
}

Outcome outcome_of(void (*read)(View), View input) {
  try {
    read(input);
    return Outcome::accepted;
  } catch (const UserError& refusal) {
    const std::string_view words = refusal.what();
    if (words.find('\n') != words.npos)
      throw std::logic_error("refused in several lines: " + std::string(words));
    return words.find("does not survive") == words.npos ? Outcome::refused : Outcome::unsurvived;
  }
}

std::string text_of(View bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

View bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::string> split_at_nul(View bytes) {
  std::vector<std::string> parts{""};
  for (const char c : text_of(bytes)) {
    if (c == '\0') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

void write_file(const fs::path& path, View bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot be written: " + path.string());
}

}  // namespace weft::fuzz
