#include "weft/io/files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

std::string_view remedy_for(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "free some space, or write to another disk";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check the permissions, or use another folder";
    case ENOENT:
      return "check the path";
    default:
      return "";
  }
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, const char* doing)
      : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) throw_file_error(path, doing, errno);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  /// Up to `size` bytes; 0 at the end of the file.
  std::size_t read(void* bytes, std::size_t size) const {
    const ssize_t count = ::read(fd_, bytes, size);
    if (count < 0) throw_file_error(path_, "cannot be read", errno);
    return static_cast<std::size_t>(count);
  }

  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count < 0) throw_file_error(path_, "cannot be written", errno);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  void sync() const {
    const InSection writing(Section::checkpoint);
    if (::fsync(fd_) != 0) throw_file_error(path_, "cannot be synced to the disk", errno);
  }

 private:
  fs::path path_;
  int fd_;
};

fs::path folder_of(const fs::path& path) {
  const fs::path parent = fs::absolute(path).lexically_normal().parent_path();
  return parent.empty() ? fs::path("/") : parent;
}

/// The folders that get a new entry where `folder` is made, and those above it that are missing.
std::vector<fs::path> holders_of_missing(fs::path folder) {
  std::vector<fs::path> holders;
  std::error_code unknown;  // then it cannot be made either
  for (; !fs::exists(folder, unknown) && folder != folder_of(folder); folder = folder_of(folder))
    holders.push_back(folder_of(folder));
  return holders;
}

/// Not every file system can; `false` says that it cannot.
bool exchange(const fs::path& one, const fs::path& other) {
  if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) return false;
  throw_file_error(other, "cannot be replaced", errno);
}

fs::path former_of(const fs::path& folder) { return folder.string() + ".old.tmp"; }

std::string digits_of(XXH64_hash_t hash) { return fmt::format("{:016x}", hash); }

}  // namespace

void throw_file_error(const fs::path& path, const std::string& what_failed, int code) {
  const std::string reason = std::generic_category().message(code);
  throw UserError(
      {path.string(), fmt::format("{}: {}", what_failed, reason), "", std::string(remedy_for(code))});
}

void make_folders(const fs::path& folder) {
  const std::vector<fs::path> holders = holders_of_missing(folder);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_file_error(folder, "the folder cannot be made", error.value());
  for (const fs::path& holder : holders) sync_to_disk(holder);
}

void remove_tree(const fs::path& path) {
  const InSection writing(Section::checkpoint);
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw_file_error(path, "cannot be removed", error.value());
}

void remove_whole(const fs::path& folder) {
  const fs::path gone = folder.string() + ".gone.tmp";
  remove_tree(gone);
  std::error_code unknown;  // where it cannot be told, renaming fails and says why
  if (fs::symlink_status(folder, unknown).type() == fs::file_type::not_found) return;
  rename_durably(folder, gone);
  remove_tree(gone);
}

std::vector<fs::path> list_folder(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    entries.push_back(entry->path());
  if (error) throw_file_error(folder, "the folder cannot be read", error.value());
  std::sort(entries.begin(), entries.end());
  return entries;
}

void sync_to_disk(const fs::path& path) {
  Descriptor(path, O_RDONLY, "cannot be opened to sync it to the disk").sync();
}

void rename_durably(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw_file_error(to, fmt::format("{} cannot be given this name", from.filename().string()), errno);
  }
  sync_to_disk(folder_of(to));
}

void replace_folder(const fs::path& from, const fs::path& to) {
  if (!fs::exists(to)) return rename_durably(from, to);
  if (exchange(from, to)) {
    sync_to_disk(folder_of(to));
    return remove_tree(from);
  }
  rename_durably(to, former_of(to));
  try {
    rename_durably(from, to);
  } catch (const UserError&) {
    recover_replaced(to);
    throw;
  }
  remove_tree(former_of(to));
}

void recover_replaced(const fs::path& to) {
  if (!fs::exists(former_of(to))) return;
  if (fs::exists(to)) return remove_tree(former_of(to));
  rename_durably(former_of(to), to);
}

void write_text_atomically(const fs::path& path, const std::string& text) {
  const fs::path temporary = path.string() + ".tmp";
  try {
    const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC, "cannot be made");
    file.write(text);
    file.sync();
    rename_durably(temporary, path);
  } catch (const UserError&) {
    ::unlink(temporary.c_str());
    throw;
  }
}

std::string read_text(const fs::path& path) {
  const Descriptor file(path, O_RDONLY, "cannot be opened");
  std::string text;
  std::array<char, 4096> part;
  while (const std::size_t count = file.read(part.data(), part.size())) text.append(part.data(), count);
  return text;
}

std::string text_checksum(std::string_view text) { return digits_of(XXH3_64bits(text.data(), text.size())); }

std::string file_checksum(const fs::path& path) {
  const InSection reading(Section::read);
  constexpr std::size_t kPart = std::size_t{1} << 20;
  const Descriptor file(path, O_RDONLY, "cannot be opened");
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<char> part(kPart);
  while (const std::size_t count = file.read(part.data(), part.size())) {
    XXH3_64bits_update(state.get(), part.data(), count);
  }
  return digits_of(XXH3_64bits_digest(state.get()));
}

}  // namespace weft
