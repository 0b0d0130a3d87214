#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"

namespace weft {

/// How a program ended, and what it printed.
struct ProcessResult {
  int exit_code = 0;  ///< 124 where it was ended because it hung
  std::string out;
  std::string err;
};

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

/// A program under way, in a surrounding that knows nothing of the MPI session of this test; ended after a
/// minute.
class RunningProcess {
 public:
  explicit RunningProcess(const Words& command, const Variables& variables = {},
                          const std::filesystem::path& folder = {});
  /// Kills it and all that it started, where it still runs.
  ~RunningProcess();
  RunningProcess(const RunningProcess&) = delete;
  RunningProcess& operator=(const RunningProcess&) = delete;

  bool runs() const;
  /// Sends a signal to the process of this rank; to that of the program itself where it runs without mpirun.
  /// False where there is none (any more).
  bool signal_rank(int rank, int signal) const;
  /// Sends a signal to the processes of the first ranks, all found before the first is sent. False where one
  /// is missing.
  bool signal_ranks(int count, int signal) const;
  /// Sends a signal to mpirun.
  bool signal_launcher(int signal) const;
  /// How it ended. Waits for that; once.
  ProcessResult wait();

 private:
  int process_of(int rank) const;

  std::unique_ptr<TemporaryFolder> streams_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int process_ = 0;  ///< that leads the group of all
  bool ended_ = false;
};

/// Runs a program in a surrounding that knows nothing of the MPI session of this test, and ends it after a
/// minute.
/// @param variables  set beside those that OpenMPI needs in a container.
/// @param folder     the working directory; the test's own if empty.
ProcessResult run_process(const Words& command, const Variables& variables = {},
                          const std::filesystem::path& folder = {});

/// The command that starts `weft` on so many ranks: alone, or under an mpirun that adds nothing to stderr.
Words weft_command(const Words& arguments, int ranks = 1);

/// Runs `weft`.
ProcessResult run_weft(const Words& arguments, int ranks = 1, const Variables& variables = {});

/// configs/tiny.yaml: a run of a second.
std::string tiny_config();

/// What lies in a folder and below, each file with its checksum; without the lock, which every look at a
/// folder touches.
std::map<std::string, std::string> checksums(const std::filesystem::path& folder);

}  // namespace weft
