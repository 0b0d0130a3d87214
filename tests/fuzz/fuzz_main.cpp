// weft_fuzz TARGET [--inputs N] [--seed S] [--first K] [--keep DIR]
//   gives N inputs, made from seed S, to a reader, in child processes, and says what came of them. An input
//   that crashes it, hangs it, or gets another answer than "read" or "refused" is written to DIR, and its
//   number told.
// weft_fuzz TARGET FILE
//   gives it this one input, in this process, for a debugger.

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/version.hpp"
#include "weft/io/files.hpp"
#include "weft/ops/host_name.hpp"

#include "mutator.hpp"
#include "sanitizer_reports.hpp"
#include "support/temporary_folder.hpp"

namespace weft::fuzz {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::array kTargets{&kConfig, &kDataset, &kCheckpoint, &kCommandLine, &kTrap};
/// An input that takes more of the processor hangs; a busy machine does not make it so. What waits for ever
/// is ended too.
constexpr time_t kPatience_s = 20;
constexpr unsigned kWaiting_s = 600;
constexpr std::size_t kMostMemory = std::size_t{2} << 30;
/// Inputs of one child.
constexpr std::int64_t kBatch = 2000;
/// The exit code of a child in which a reader threw what it may not throw.
constexpr int kWrongAnswer = 3;

#if defined(__SANITIZE_ADDRESS__)
constexpr const char* kBuild = ", with the address and undefined-behaviour sanitizers";
#else
constexpr const char* kBuild = "";
#endif

struct Options {
  const Target* target = nullptr;
  std::int64_t inputs = 2000;
  std::uint64_t seed = 1;
  std::int64_t first = 0;
  fs::path keep = ".";
  fs::path file;
};

/// What a child tells the parent; it survives the child.
struct Account {
  std::atomic<std::int64_t> current, accepted, refused, unsurvived, longest, longest_us;
};

Account& shared_account() {
  void* const memory =
      mmap(nullptr, sizeof(Account), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  return *new (memory) Account{};
}

/// The sanitizers take memory without end; they have a limit of their own, below.
void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__)
  const rlimit limit{kMostMemory, kMostMemory};
  setrlimit(RLIMIT_DATA, &limit);
#endif
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
}

/// @throws std::logic_error for an error of our own that only a sanitizer's report tells of.
void give(const Target& target, const Bytes& input, const SanitizerReports& reports, Account& account) {
  const auto start = Clock::now();
  const itimerval patience{{}, {kPatience_s, 0}};
  setitimer(ITIMER_PROF, &patience, nullptr);  // ends the child, as the next
  alarm(kWaiting_s);
  const Outcome outcome = target.read(input);
  if (const std::string ours = reports.take_ours(); !ours.empty()) throw std::logic_error(ours);
  ++(outcome == Outcome::accepted ? account.accepted : account.refused);
  if (outcome == Outcome::unsurvived) ++account.unsurvived;
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
  if (us <= account.longest_us) return;
  account.longest_us = us;
  account.longest = account.current.load();
}

[[noreturn]] void run_child(const Mutator& mutator, const Target& target, const SanitizerReports& reports,
                            std::int64_t first, std::int64_t end, Account& account) {
  limit_memory();
  try {
    for (std::int64_t number = first; number < end; ++number) {
      account.current = number;
      give(target, mutator.input(number), reports, account);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    _exit(kWrongAnswer);
  }
  account.current = end;
  _exit(0);
}

std::string words_of(int status) {
  if (!WIFSIGNALED(status)) {
    return WEXITSTATUS(status) == kWrongAnswer ? "a wrong answer"
                                               : fmt::format("exit code {}", WEXITSTATUS(status));
  }
  const int signal = WTERMSIG(status);
  return signal == SIGPROF || signal == SIGALRM ? "no answer" : strsignal(signal);
}

class Campaign {
 public:
  explicit Campaign(const Options& options)
      : options_(options),
        reports_(scratch_.path()),
        mutator_(*options.target, options.seed),
        account_(shared_account()) {
    setenv("TMPDIR", scratch_.path().c_str(), 1);  // a child that crashes leaves its files there
  }

  /// @return whether the reader survived all inputs.
  bool run() {
    const auto start = Clock::now();
    const std::int64_t end = options_.first + options_.inputs;
    for (std::int64_t next = options_.first; next < end;)
      next = run_batch(next, std::min(end, next + kBatch));
    const std::chrono::duration<double> seconds = Clock::now() - start;
    report(seconds.count());
    return failures_ == 0;
  }

 private:
  /// @return the first input that is still to be given.
  std::int64_t run_batch(std::int64_t first, std::int64_t end) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("no child process");
    if (child == 0) run_child(mutator_, *options_.target, reports_, first, end, account_);
    int status = 0;
    rusage usage{};
    if (wait4(child, &status, 0, &usage) != child) throw std::runtime_error("a child process is lost");
    peak_kb_ = std::max(peak_kb_, usage.ru_maxrss);
    if (status == 0 && account_.current == end) return end;
    keep_input(account_.current, words_of(status));
    return account_.current + 1;
  }

  void keep_input(std::int64_t number, const std::string& what) {
    ++failures_;
    const fs::path file =
        options_.keep / fmt::format("{}-seed-{}-input-{}", options_.target->name, options_.seed, number);
    write_file(file, mutator_.input(number));
    fmt::print("{}: input {} of seed {}: {}; kept as {}\n", options_.target->name, number, options_.seed,
               what, file.string());
    fmt::print("{}", reports_.take_all());
  }

  void report(double seconds) const {
    fmt::print("{}: {} inputs of seed {} from {} files: {} read, {} refused, {} failures; ",
               options_.target->name, options_.inputs, options_.seed, mutator_.seed_count(),
               account_.accepted.load(), account_.refused.load(), failures_);
    if (account_.unsurvived > 0)
      fmt::print("of the refused, {} that HDF5 does not survive; ", account_.unsurvived.load());
    fmt::print("the longest, {}, took {:.3f} s; the largest process {} MB; {:.1f} s on {}, weft {}{}\n",
               account_.longest.load(), static_cast<double>(account_.longest_us.load()) * 1e-6,
               peak_kb_ / 1024, seconds, host_name(), version_line(), kBuild);
  }

  const Options& options_;
  TemporaryFolder scratch_;
  SanitizerReports reports_;
  Mutator mutator_;
  Account& account_;
  std::int64_t failures_ = 0;
  long peak_kb_ = 0;
};

template <typename T>
T number_of(std::string_view word) {
  T number{};
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (code == std::errc() && end == word.data() + word.size()) return number;
  throw std::invalid_argument("not a number: " + std::string(word));
}

const Target* target_of(std::string_view name) {
  const auto found = std::ranges::find(kTargets, name, &Target::name);
  if (found == kTargets.end()) throw std::invalid_argument("no target " + std::string(name));
  return *found;
}

Options options_of(std::span<char*> arguments) {
  if (arguments.empty())
    throw std::invalid_argument("weft_fuzz TARGET [--inputs N] [--seed S] [--first K] [--keep DIR] or FILE");
  Options options;
  options.target = target_of(arguments[0]);
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (!word.starts_with("--")) {
      options.file = word;
      continue;
    }
    if (i + 1 == arguments.size()) throw std::invalid_argument("no value for " + std::string(word));
    const char* const value = arguments[++i];
    if (word == "--inputs")
      options.inputs = number_of<std::int64_t>(value);
    else if (word == "--seed")
      options.seed = number_of<std::uint64_t>(value);
    else if (word == "--first")
      options.first = number_of<std::int64_t>(value);
    else if (word == "--keep")
      options.keep = value;
    else
      throw std::invalid_argument("no option " + std::string(word));
  }
  return options;
}

int run(const Options& options) {
  if (options.file.empty()) return Campaign(options).run() ? 0 : 1;
  const std::string text = read_text(options.file);
  const bool accepted = options.target->read(bytes_of(text)) == Outcome::accepted;
  fmt::print("{}\n", accepted ? "read" : "refused");
  return 0;
}

}  // namespace
}  // namespace weft::fuzz

#if defined(__SANITIZE_ADDRESS__)
// The process that reads first resets its signals; those that an error may raise are to be reported all the
// same (2: nobody takes them away from the sanitizer).
extern "C" const char* __asan_default_options() {
  return "max_allocation_size_mb=2048:allocator_may_return_null=1:detect_leaks=0:"
         "handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2";
}
#endif

int main(int argc, char** argv) {
  try {
    return weft::fuzz::run(weft::fuzz::options_of({argv + 1, static_cast<std::size_t>(argc - 1)}));
  } catch (const std::exception& error) {
    fmt::print(stderr, "weft_fuzz: {}\n", error.what());
    return 2;
  }
}
