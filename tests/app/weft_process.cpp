#include "weft_process.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "support/paths.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{60};
constexpr int kHung = 124;

/// What an MPI library or a batch system told this test about itself.
bool is_of_a_launcher(std::string_view variable) {
  constexpr std::array prefixes{"OMPI_", "ORTE_", "OPAL_", "PMIX_", "PMI_", "PRTE_", "SLURM_", "OMP_"};
  return std::ranges::any_of(prefixes, [&](const char* prefix) { return variable.starts_with(prefix); });
}

Words environment(const Variables& variables) {
  Variables all{{"OMP_NUM_THREADS", "1"},
                {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                {"OMPI_MCA_mpi_yield_when_idle", "1"},
                {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"}};
  for (const auto& [name, value] : variables) all[name] = value;
  Words words;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!is_of_a_launcher(*entry)) words.emplace_back(*entry);
  }
  for (const auto& [name, value] : all) words.push_back(name + "=" + value);
  return words;
}

std::vector<char*> pointers(Words& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

/// Where a process that is to be started finds its streams and its working directory.
class Surroundings {
 public:
  Surroundings(const fs::path& out, const fs::path& err, const fs::path& folder) {
    posix_spawn_file_actions_init(&actions_);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, out.c_str(), flags, 0666);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, err.c_str(), flags, 0666);
    if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
  }
  ~Surroundings() { posix_spawn_file_actions_destroy(&actions_); }
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

int exit_code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/// A variable of another process, as it was when that began; empty without one.
std::string variable_of(pid_t process, const std::string& name) {
  std::ifstream stream(fmt::format("/proc/{}/environ", process));
  for (std::string entry; std::getline(stream, entry, '\0');)
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  return "";
}

std::string program_of(pid_t process) {
  std::error_code gone;
  return fs::read_symlink(fmt::format("/proc/{}/exe", process), gone).string();
}

/// The processes of this session's tree below `ancestor`.
std::vector<pid_t> descendants_of(pid_t ancestor) {
  std::map<pid_t, pid_t> parents;
  std::error_code gone;
  for (fs::directory_iterator entry("/proc", gone); entry != fs::directory_iterator();
       entry.increment(gone)) {
    const std::string name = entry->path().filename().string();
    if (!std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    std::ifstream stream(entry->path() / "stat");
    std::string text;
    std::getline(stream, text);
    const std::size_t behind_name = text.rfind(')');
    if (behind_name == std::string::npos) continue;
    std::istringstream rest(text.substr(behind_name + 1));
    std::string state;
    pid_t parent = 0;
    rest >> state >> parent;
    parents[static_cast<pid_t>(std::stol(name))] = parent;
  }
  std::vector<pid_t> found;
  for (const auto& [process, parent] : parents) {
    for (pid_t above = parent; above > 1; above = parents.contains(above) ? parents.at(above) : 0)
      if (above == ancestor) {
        found.push_back(process);
        break;
      }
  }
  return found;
}

}  // namespace

RunningProcess::RunningProcess(const Words& command, const Variables& variables, const fs::path& folder)
    : streams_(std::make_unique<TemporaryFolder>()) {
  Words words{"timeout", "--kill-after=10", std::to_string(kPatience.count())};
  words.insert(words.end(), command.begin(), command.end());
  Words all_variables = environment(variables);
  const Surroundings surroundings(streams_->path() / "out", streams_->path() / "err", folder);
  const int code = posix_spawnp(&process_, "timeout", surroundings.get(), nullptr, pointers(words).data(),
                                pointers(all_variables).data());
  require(code == 0, "a process can be started");
}

RunningProcess::~RunningProcess() {
  if (ended_) return;
  for (const pid_t process : descendants_of(process_)) kill(process, SIGKILL);
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
}

bool RunningProcess::runs() const {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

/// 0 where there is none.
int RunningProcess::process_of(int rank) const {
  for (const pid_t process : descendants_of(process_)) {
    if (program_of(process) != fs::canonical(weft_program())) continue;
    const std::string its_rank = variable_of(process, "OMPI_COMM_WORLD_RANK");
    if (its_rank == std::to_string(rank) || (its_rank.empty() && rank == 0)) return process;
  }
  return 0;
}

bool RunningProcess::signal_rank(int rank, int signal) const {
  const int process = process_of(rank);
  return process != 0 && kill(process, signal) == 0;
}

bool RunningProcess::signal_ranks(int count, int signal) const {
  std::vector<int> processes;
  for (int rank = 0; rank < count; ++rank) processes.push_back(process_of(rank));
  if (std::ranges::find(processes, 0) != processes.end()) return false;
  for (const int process : processes) kill(process, signal);
  return true;
}

bool RunningProcess::signal_launcher(int signal) const {
  for (const pid_t process : descendants_of(process_))
    if (program_of(process) == fs::canonical(WEFT_MPIEXEC)) return kill(process, signal) == 0;
  return false;
}

ProcessResult RunningProcess::wait() {
  int status = 0;
  require(waitpid(process_, &status, 0) == process_, "a process can be waited for");
  ended_ = true;
  // `timeout` has another code where it had to kill, that of a program that somebody else has killed.
  const bool hung = std::chrono::steady_clock::now() - start_ >= kPatience;
  return {hung ? kHung : exit_code_of(status), read_text(streams_->path() / "out"),
          read_text(streams_->path() / "err")};
}

ProcessResult run_process(const Words& command, const Variables& variables, const fs::path& folder) {
  return RunningProcess(command, variables, folder).wait();
}

Words weft_command(const Words& arguments, int ranks) {
  Words words;
  if (ranks > 1) words = {WEFT_MPIEXEC, "--quiet", "--oversubscribe", "-n", std::to_string(ranks)};
  words.push_back(weft_program().string());
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

ProcessResult run_weft(const Words& arguments, int ranks, const Variables& variables) {
  return run_process(weft_command(arguments, ranks), variables);
}

std::string tiny_config() { return (source_folder() / "configs" / "tiny.yaml").string(); }

std::map<std::string, std::string> checksums(const fs::path& folder) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().filename() != ".lock")
      found[entry.path().lexically_relative(folder).string()] = file_checksum(entry.path());
  }
  return found;
}

}  // namespace weft
