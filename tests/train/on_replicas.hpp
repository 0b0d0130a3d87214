#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "weft/comm/process_grid.hpp"

#include "support/mpi_main.hpp"

namespace weft {

/// Tests on all ranks, by number of replicas; skipped where the ranks cannot be divided so.
class OnReplicas : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (test_world().size() % GetParam() != 0) GTEST_SKIP() << "these ranks cannot be split into replicas";
    grid_ = std::make_unique<ProcessGrid>(test_world(), GetParam());
  }

  std::unique_ptr<ProcessGrid> grid_;
};

}  // namespace weft
