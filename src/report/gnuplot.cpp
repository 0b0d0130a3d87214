#include "weft/report/gnuplot.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

/// The two ends of a pipe, closed with it; close-on-exec, so that no other child of this program inherits
/// them.
class Pipe {
 public:
  Pipe() { require(pipe2(ends_.data(), O_CLOEXEC) == 0, "no pipe to gnuplot"); }
  ~Pipe() {
    close(ends_[0]);
    close_write_end();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int write_end() const { return ends_[1]; }
  void close_write_end() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  /// All that is written until the last writer closes its end.
  std::string read_all() const {
    std::string text;
    std::array<char, 4096> block{};
    for (;;) {
      const ssize_t count = read(ends_[0], block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return text;
      text.append(block.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

/// What the child finds as its folder and its three streams.
class SpawnActions {
 public:
  SpawnActions(const std::filesystem::path& folder, int messages) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, messages, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, messages, STDERR_FILENO);
  }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) require(errno == EINTR, "gnuplot cannot be waited for");
  return status;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c != '\n' && c != ' ' && c != '\t')
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

std::string ending(int status) {
  return WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                             : fmt::format("ended with code {}", WEXITSTATUS(status));
}

}  // namespace

void run_gnuplot(const std::filesystem::path& folder, const std::string& script) {
  if (!std::filesystem::exists(folder / script))
    throw UserError(
        {(folder / script).string(), "no such file", "a gnuplot script", "draw the panels again"});

  // "-d": a user's own ~/.gnuplot must not change how a panel looks.
  std::array<std::string, 3> words{"gnuplot", "-d", script};
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  Pipe messages;
  const SpawnActions actions(folder, messages.write_end());
  pid_t child = 0;
  const int failure = posix_spawnp(&child, "gnuplot", actions.get(), nullptr, arguments.data(), environ);
  messages.close_write_end();
  if (failure != 0)
    throw UserError({"gnuplot", fmt::format("cannot be started ({})", std::strerror(failure)),
                     "gnuplot 5.4 or later in PATH", "install it (Debian: apt-get install gnuplot-nox)"});

  const std::string said = messages.read_all();
  const int status = wait_for(child);
  if (status != 0)
    throw UserError({(folder / script).string(),
                     fmt::format("gnuplot {}: {}", ending(status), one_line(said)), "a picture",
                     "see what the script needs with: gnuplot " + script});
}

}  // namespace weft
