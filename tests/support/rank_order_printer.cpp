#include "support/rank_order_printer.hpp"

#include <cstdint>
#include <cstdio>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace weft {
namespace {

/// The ranks' texts one after the other, on every rank. @collective
std::string gather_text(Communicator& group, std::string own) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(group.size()));
  std::vector<std::int64_t> count{static_cast<std::int64_t>(own.size())};
  const std::vector<std::int64_t> ones(counts.size(), 1);
  group.all_gather(std::span<std::int64_t>(count), std::span<std::int64_t>(counts), ones).wait();
  std::string all(static_cast<std::size_t>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})),
                  ' ');
  group.all_gather(std::span<char>(own), std::span<char>(all), counts).wait();
  return all;
}

/// "file:line ", or nothing where an exception gave no place.
std::string place_of(const testing::TestPartResult& result) {
  return result.line_number() < 0 ? "" : fmt::format("{}:{} ", result.file_name(), result.line_number());
}

}  // namespace

void RankOrderPrinter::OnTestStart(const testing::TestInfo& test) {
  const std::string name = fmt::format("{}.{}", test.test_suite_name(), test.name());
  watchdog_.report(name + " is still running");
  if (group_.rank() == 0) fmt::print("[ RUN      ] {}\n", name);
  std::fflush(stdout);
}

void RankOrderPrinter::OnTestPartResult(const testing::TestPartResult& result) {
  if (!result.failed()) return;
  const std::string failure =
      fmt::format("[ rank {} ] {}{}\n", group_.rank(), place_of(result), result.message());
  watchdog_.add("; it failed already with:\n" + failure);
  failures_ += failure;
}

void RankOrderPrinter::OnTestEnd(const testing::TestInfo& test) {
  const std::string name = fmt::format("{}.{}", test.test_suite_name(), test.name());
  watchdog_.add("\n(it has ended on this rank, which waits for the others)");
  const bool failed = print_failures();
  watchdog_.report(name + " has ended on all ranks, and no other test began");
  const bool skipped = test.result()->Skipped();
  failed_tests_ += failed ? fmt::format("[  FAILED  ] {}\n", name) : "";
  passed_ += !failed && !skipped;
  skipped_ += !failed && skipped;
  const char* verdict = failed ? "[  FAILED  ]" : skipped ? "[  SKIPPED ]" : "[       OK ]";
  if (group_.rank() == 0) fmt::print("{} {} ({} ms)\n", verdict, name, test.result()->elapsed_time());
  std::fflush(stdout);
}

void RankOrderPrinter::OnTestProgramEnd(const testing::UnitTest&) {
  print_failures();
  if (group_.rank() != 0) return;
  fmt::print("[  PASSED  ] {} tests on {} ranks, {} skipped\n{}", passed_, group_.size(), skipped_,
             failed_tests_);
  std::fflush(stdout);
}

bool RankOrderPrinter::print_failures() {
  const std::string all = gather_text(group_, std::exchange(failures_, {}));
  if (group_.rank() == 0) fmt::print("{}", all);
  return !all.empty();
}

}  // namespace weft
