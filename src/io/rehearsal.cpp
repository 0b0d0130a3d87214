#include "io/rehearsal.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"

namespace weft {
namespace {

/// What the reading may take of the processor, so that a slow disk is given all the time it needs: more for a
/// large file, for one chunk may be all of it, compressed.
constexpr rlim_t kPatience_s = 10;
constexpr rlim_t kBytes_per_s = 10'000'000;

rlim_t patience_for(const std::filesystem::path& file) {
  std::error_code unknown;
  const std::uintmax_t bytes = std::filesystem::file_size(file, unknown);
  return kPatience_s + (unknown ? 0 : bytes / kBytes_per_s);
}

void limit(int what, rlim_t most) {
  rlimit now{};
  getrlimit(static_cast<__rlimit_resource_t>(what), &now);
  now.rlim_cur = std::min(most, now.rlim_max);
  setrlimit(what, &now);
}

[[noreturn]] void run_child(rlim_t patience_s, const std::function<void()>& reading) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // it holds this process's lock and connections too
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL}) std::signal(signal, SIG_DFL);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, patience_s);
  // Of what the C library and others say of a crash, nothing is meant for the user.
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
  try {
    reading();
  } catch (...) {  // will be met again
  }
  _exit(0);
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return 0;  // somebody else took it; nothing is known of it
  }
  return status;
}

}  // namespace

void rehearse(const std::filesystem::path& file, const std::function<void()>& reading) {
  const InSection waiting(Section::read);
  const rlim_t patience_s = patience_for(file);
  const pid_t child = fork();
  if (child < 0) return;  // no process to spare: it must do without
  if (child == 0) run_child(patience_s, reading);
  if (wait_for(child) == 0) return;
  throw UserError({file.string(), "damaged: the HDF5 library does not survive reading it",
                   "a sound HDF5 file", "copy or make it again"});
}

}  // namespace weft
