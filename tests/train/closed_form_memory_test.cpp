// The memory that the closed form takes, against the formula that promises it.

#include "weft/train/closed_form_memory.hpp"

#include <fstream>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <malloc.h>

#include "weft/train/varpro_solver.hpp"

#include "saved_training.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"
#include "wired_assembly.hpp"

namespace weft {
namespace {

/// A line of /proc/self/status [bytes].
double status_bytes(const std::string& wanted) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word; status.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    double kibibytes = 0;
    if (word == wanted && status >> kibibytes) return 1024 * kibibytes;
  }
  return 0;
}

class ClosedFormMemory : public testing::Test {
 protected:
  static void SetUpTestSuite() { mallopt(M_MMAP_THRESHOLD, 1 << 20); }  // as the program does
};

TEST_F(ClosedFormMemory, IsWhatTheFormulaSays) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer keeps freed memory";
#endif
  const ProcessGrid grid(test_world(), 1);
  // What libraries allocate once and keep belongs to the program itself.
  const WiredAssembly first({.neurons = 60, .frames = 600});
  const RowPartition few(60, grid.shards());
  VarproSolver small(host(), grid, first.data(few, grid.shard()), TrainingConfig{}, {}, 3);
  train_unattended(small);

  const WiredAssembly assembly({.neurons = 1200, .frames = 2400, .burn_in = 100});
  const RowPartition partition(1200, grid.shards());
  VarproSolver solver(host(), grid, assembly.data(partition, grid.shard()), TrainingConfig{}, {}, 3);
  const double series = 8.0 * 2400 * static_cast<double>(partition.size(grid.shard()));
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
  const double before = status_bytes("VmRSS:") - series;
  train_unattended(solver);
  const double taken = status_bytes("VmHWM:") - before;

  ClosedFormSize size;
  size.neurons = 1200;
  size.rows = partition.size(grid.shard());
  size.frames = 2400;
  size.psi_frames = 2352;
  size.sampled_rows = 32;
  size.psi_unknowns = 48;
  size.phi_splines = 40;
  size.shards = grid.shards();
  const auto promised = static_cast<double>(closed_form_bytes(size));
  EXPECT_NEAR(taken, promised, 0.1 * promised)
      << taken / 1e6 << " MB taken, " << promised / 1e6 << " MB promised";
}

TEST_F(ClosedFormMemory, GrowsWithNeuronsFramesAndPrecisionAndFallsWithRanks) {
  const ClosedFormSize size{8000, 8000, 12000, 11760, 32, 48, 40, 1, 1, {}};
  const auto bytes = [&](auto change) {
    ClosedFormSize other = size;
    change(other);
    return closed_form_bytes(other);
  };
  const std::int64_t base = closed_form_bytes(size);
  EXPECT_GT(bytes([](ClosedFormSize& s) { s.neurons = s.rows = 16000; }), 2 * base);
  EXPECT_EQ(bytes([](ClosedFormSize& s) { s.frames = 24000; }), base + 8 * 12000ll * 8000);
  EXPECT_GT(bytes([](ClosedFormSize& s) { s.form.type = at::kDouble; }), base);
  EXPECT_LT(bytes([](ClosedFormSize& s) { s.rows = 4000, s.shards = 2; }), base);
  // The part of them that is brought at a time is 64 MiB.
  EXPECT_EQ(bytes([](ClosedFormSize& s) { s.series_on_host = true; }),
            base - 8 * 12000ll * 8000 + (std::int64_t{64} << 20));
}

}  // namespace
}  // namespace weft
