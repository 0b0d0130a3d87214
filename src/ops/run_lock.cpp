#include "weft/ops/run_lock.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/ops/host_name.hpp"

namespace weft {
namespace {

/// What the holder wrote about itself; it may not have come to it yet.
std::string holder(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string pid;
  std::string host;
  if (!(stream >> pid >> host)) return "another process";
  return fmt::format("process {} on {}", pid, host);
}

[[noreturn]] void refuse(const std::filesystem::path& folder, const std::string& what, int code) {
  throw UserError({folder.string(), fmt::format("{}: {}", what, std::strerror(code)),
                   "a folder that can be written",
                   "check permissions and free space, or choose another --output"});
}

void write_holder(const std::filesystem::path& folder, int descriptor) {
  const std::string text = fmt::format("{} {}\n", getpid(), host_name());
  const bool written = ftruncate(descriptor, 0) == 0 &&
                       pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (written) return;
  const int code = errno;
  close(descriptor);
  refuse(folder, "cannot write its lock", code);
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / ".lock";
  descriptor_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) refuse(folder, "cannot open its lock", errno);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    close(descriptor_);
    if (code != EWOULDBLOCK) refuse(folder, "cannot take its lock", code);
    throw UserError({folder.string(), "in use by " + holder(file), "a folder that no other run is writing",
                     "wait until it ends, or choose another --output"});
  }
  write_holder(folder, descriptor_);
}

RunLock::~RunLock() { close(descriptor_); }

}  // namespace weft
