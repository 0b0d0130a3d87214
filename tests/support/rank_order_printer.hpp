#pragma once

#include <string>

#include <gtest/gtest.h>

#include "weft/comm/communicator.hpp"

#include "support/watchdog.hpp"

namespace weft {

/// Gathers the failures of all ranks after each test, and prints them on rank 0 in rank order. Ranks thus
/// leave each test together, so that one that failed early cannot meet the others' collectives with those of
/// its next test.
class RankOrderPrinter : public testing::EmptyTestEventListener {
 public:
  /// `group` must be used by nobody else, and outlive the printer.
  RankOrderPrinter(Communicator& group, Watchdog& watchdog) : group_(group), watchdog_(watchdog) {}

  void OnTestStart(const testing::TestInfo& test) override;
  void OnTestPartResult(const testing::TestPartResult& result) override;
  void OnTestEnd(const testing::TestInfo& test) override;
  void OnTestProgramEnd(const testing::UnitTest& program) override;

 private:
  bool print_failures();

  Communicator& group_;
  Watchdog& watchdog_;
  std::string failures_;
  std::string failed_tests_;
  int passed_ = 0;
  int skipped_ = 0;
};

}  // namespace weft
