#include "weft_process.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/io/files.hpp"

#include "support/temporary_folder.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;

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

int exit_code_of(pid_t process) {
  int status = 0;
  require(waitpid(process, &status, 0) == process, "a process can be waited for");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

ProcessResult run_process(const Words& command, const Variables& variables, const fs::path& folder) {
  const TemporaryFolder streams;
  const fs::path out = streams.path() / "out";
  const fs::path err = streams.path() / "err";
  Words words{"timeout", "--kill-after=10", "60"};
  words.insert(words.end(), command.begin(), command.end());
  Words all_variables = environment(variables);
  const Surroundings surroundings(out, err, folder);
  pid_t process = 0;
  const int code = posix_spawnp(&process, "timeout", surroundings.get(), nullptr, pointers(words).data(),
                                pointers(all_variables).data());
  require(code == 0, "a process can be started");
  ProcessResult result;
  result.exit_code = exit_code_of(process);
  result.out = read_text(out);
  result.err = read_text(err);
  return result;
}

Words weft_command(const Words& arguments, int ranks) {
  Words words;
  if (ranks > 1) words = {WEFT_MPIEXEC, "--quiet", "--oversubscribe", "-n", std::to_string(ranks)};
  words.emplace_back(WEFT_PROGRAM);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

ProcessResult run_weft(const Words& arguments, int ranks, const Variables& variables) {
  return run_process(weft_command(arguments, ranks), variables);
}

std::string tiny_config() { return (fs::path(WEFT_SOURCE) / "configs" / "tiny.yaml").string(); }

std::map<std::string, std::string> checksums(const fs::path& folder) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().filename() != ".lock")
      found[entry.path().lexically_relative(folder).string()] = file_checksum(entry.path());
  }
  return found;
}

}  // namespace weft
