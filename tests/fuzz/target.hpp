#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::fuzz {

using Bytes = std::vector<std::byte>;
using View = std::span<const std::byte>;

/// `unsurvived` is a refusal too: HDF5 crashed over it, or did not come to an end, in the process that goes
/// first.
enum class Outcome { accepted, refused, unsurvived };

/// A reader of Weft's that must take arbitrary bytes: it reads them, or refuses them by a UserError of one
/// line. Whatever else it throws is a failure, as is a crash.
struct Target {
  std::string_view name;
  Outcome (*read)(View input);
  /// What inputs are made from.
  std::vector<Bytes> (*seeds)();
  /// Words that mean something to the reader.
  std::vector<std::string> (*words)();
};

/// A YAML config; behind a NUL byte each, overrides.
extern const Target kConfig;
/// An HDF5 file, read as a recording with its truth.
extern const Target kDataset;
/// One file of an otherwise sound checkpoint; the first byte says which one. The manifest is not made to
/// agree with it: of files that have the checksums that they were written with no damage is expected.
extern const Target kCheckpoint;
/// Arguments behind the program's name, a NUL byte between them.
extern const Target kCommandLine;
/// No reader of Weft's: each of its seeds has another end, for the program to tell.
extern const Target kTrap;

/// What lies in the source tree to make inputs of a target from.
std::filesystem::path corpus_of(std::string_view target);
/// The files right in `folder`, in the order of their names.
std::vector<Bytes> files_of(const std::filesystem::path& folder);

/// Runs a reader. @throws whatever a reader may not throw, std::logic_error for a refusal in several lines.
Outcome outcome_of(void (*read)(View), View input);

std::string text_of(View bytes);
View bytes_of(std::string_view text);
/// The parts of a text between NUL bytes, one at least.
std::vector<std::string> split_at_nul(View bytes);
void write_file(const std::filesystem::path& path, View bytes);

}  // namespace weft::fuzz
