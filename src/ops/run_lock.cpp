#include "weft/ops/run_lock.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/ops/host_name.hpp"

namespace weft {
namespace {

/// Closes the lock unless the constructor comes to its end.
class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& file)
      : number_(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

[[noreturn]] void refuse(const std::filesystem::path& folder, const std::string& what, int code) {
  throw UserError({folder.string(), fmt::format("{}: {}", what, std::strerror(code)),
                   "a folder that can be written",
                   "check permissions and free space, or choose another --output"});
}

bool knows_no_locks(int code) { return code == ENOLCK || code == ENOSYS || code == EOPNOTSUPP; }

[[noreturn]] void refuse_file_system(const std::filesystem::path& folder, int code) {
  throw UserError({folder.string(),
                   fmt::format("its file system has no locks (flock: {})", std::strerror(code)),
                   "one that keeps two runs from writing to one folder",
                   "choose an --output on another file system, or have this one mounted with locks "
                   "(Lustre: -o flock)"});
}

/// The file's text: process, host, seconds since 1970 and the Slurm job, if there is one.
std::string own_entry(const EnvironmentLookup& lookup) {
  const char* const job = lookup("SLURM_JOB_ID");
  return fmt::format("{} {} {} {}\n", getpid(), host_name(), std::time(nullptr), job == nullptr ? "" : job);
}

/// What a holder wrote about itself, in words; nothing where there is nothing, or something else.
std::optional<std::string> holder(int descriptor) {
  std::array<char, 1024> bytes{};
  const ssize_t count = pread(descriptor, bytes.data(), bytes.size(), 0);
  std::istringstream stream(std::string(bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0));
  std::int64_t pid = 0;
  std::string host;
  std::time_t since = 0;
  std::string job;
  if (!(stream >> pid >> host)) return std::nullopt;
  std::string words = fmt::format("process {} on {}", pid, host);
  if (stream >> since) words += fmt::format(" since {:%F %T} UTC", fmt::gmtime(since));
  if (stream >> job) words += fmt::format(", Slurm job {}", job);
  return words;
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& folder, const EnvironmentLookup& lookup) {
  Descriptor descriptor(folder / ".lock");
  if (descriptor.get() < 0) refuse(folder, "cannot open its lock", errno);
  if (flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    if (knows_no_locks(code)) refuse_file_system(folder, code);
    if (code != EWOULDBLOCK) refuse(folder, "cannot take its lock", code);
    // The holder may not have come to name itself.
    throw UserError({folder.string(), "in use by " + holder(descriptor.get()).value_or("another process"),
                     "a folder that no other run is writing",
                     "wait until it ends, or choose another --output"});
  }
  left_behind_ = holder(descriptor.get());
  const std::string entry = own_entry(lookup);
  if (ftruncate(descriptor.get(), 0) != 0 ||
      pwrite(descriptor.get(), entry.data(), entry.size(), 0) != std::ssize(entry))
    refuse(folder, "cannot write its lock", errno);
  descriptor_ = descriptor.release();
}

RunLock::~RunLock() {
  // Where this fails the next run is told of one that did not end in order, and that is all.
  [[maybe_unused]] const int emptied = ftruncate(descriptor_, 0);
  close(descriptor_);
}

}  // namespace weft
