// Preloaded into a program, stands between it and the disk.
// WEFT_SLOW_DISK_MS: every fsync takes so much longer, as on an overloaded file server; only those of paths
// with WEFT_SLOW_DISK_OF in them, if that is set. WEFT_DISK_LOG: the file that every process appends to what
// it has done to other files, a line each: write, sync, rename or remove, the path, and the new path of what
// was renamed, with tabs between. A line is there before whatever waits for what it tells, in that process or
// in another.
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

/// The system's function of a name, of which this file has another.
template <typename Function>
Function* system_function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

ssize_t system_write(int descriptor, const void* bytes, std::size_t size) {
  static auto* const function = system_function<ssize_t(int, const void*, std::size_t)>("write");
  return function(descriptor, bytes, size);
}

fs::path path_of(int descriptor) {
  std::error_code unknown;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(descriptor), unknown);
}

/// Where a name leads that is looked up in an open folder.
fs::path path_of(int folder, const char* name) {
  std::error_code unknown;
  const fs::path from = folder == AT_FDCWD ? fs::current_path(unknown) : path_of(folder);
  return (from / name).lexically_normal();
}

/// One write a line, so that lines of several processes do not mix. A log that is not whole would lie.
void append(const char* log, const std::string& line) {
  const int file = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (system_write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  close(file);
}

void tell(const std::string& what, const fs::path& path, const fs::path& to = {}) {
  const char* const log = std::getenv("WEFT_DISK_LOG");
  if (log != nullptr) append(log, what + '\t' + path.string() + '\t' + to.string() + '\n');
}

/// Not of pipes and sockets.
void tell_written(int descriptor) {
  struct stat status {};
  if (std::getenv("WEFT_DISK_LOG") == nullptr || fstat(descriptor, &status) != 0) return;
  if (S_ISREG(status.st_mode)) tell("write", path_of(descriptor));
}

void pause_as_told(int descriptor) {
  const char* const part = std::getenv("WEFT_SLOW_DISK_OF");
  if (part != nullptr && path_of(descriptor).string().find(part) == std::string::npos) return;
  const char* const text = std::getenv("WEFT_SLOW_DISK_MS");
  const long ms = text == nullptr ? 0 : std::atol(text);
  const timespec pause{ms / 1000, ms % 1000 * 1000000};
  nanosleep(&pause, nullptr);
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, std::size_t size) {
  const ssize_t count = system_write(descriptor, bytes, size);
  if (count > 0) tell_written(descriptor);
  return count;
}

ssize_t pwrite(int descriptor, const void* bytes, std::size_t size, off_t offset) {
  static auto* const function = system_function<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
  const ssize_t count = function(descriptor, bytes, size, offset);
  if (count > 0) tell_written(descriptor);
  return count;
}

ssize_t pwrite64(int descriptor, const void* bytes, std::size_t size, off64_t offset) {
  return pwrite(descriptor, bytes, size, offset);
}

int ftruncate(int descriptor, off_t size) noexcept {
  static auto* const function = system_function<int(int, off_t)>("ftruncate");
  const int code = function(descriptor, size);
  if (code == 0) tell_written(descriptor);
  return code;
}

int ftruncate64(int descriptor, off64_t size) noexcept { return ftruncate(descriptor, size); }

int fsync(int descriptor) {
  pause_as_told(descriptor);
  static auto* const function = system_function<int(int)>("fsync");
  const int code = function(descriptor);
  if (code == 0) tell("sync", path_of(descriptor));
  return code;
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  static auto* const function =
      system_function<int(int, const char*, int, const char*, unsigned)>("renameat2");
  const int code = function(from_folder, from, to_folder, to, flags);
  if (code == 0) tell("rename", path_of(from_folder, from), path_of(to_folder, to));
  return code;
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return renameat2(from_folder, from, to_folder, to, 0);
}

int rename(const char* from, const char* to) noexcept { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int folder, const char* name, int flags) noexcept {
  static auto* const function = system_function<int(int, const char*, int)>("unlinkat");
  const int code = function(folder, name, flags);
  if (code == 0) tell("remove", path_of(folder, name));
  return code;
}

int unlink(const char* name) noexcept { return unlinkat(AT_FDCWD, name, 0); }

int rmdir(const char* name) noexcept { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int remove(const char* name) noexcept {
  static auto* const function = system_function<int(const char*)>("remove");
  const int code = function(name);
  if (code == 0) tell("remove", path_of(AT_FDCWD, name));
  return code;
}

}  // extern "C"
