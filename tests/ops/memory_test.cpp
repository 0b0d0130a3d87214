#include "weft/ops/memory.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "weft/core/error.hpp"

#include "support/temporary_folder.hpp"

namespace weft {
namespace {

TEST(Memory, ThePeakGrowsWithWhatIsTouchedAndStays) {
  const std::int64_t before = peak_resident_bytes();
  // More than the process has ever held, so that memory that was given back cannot serve it.
  const auto size = static_cast<std::size_t>(before) + (32u << 20);
  std::int64_t during = 0;
  {
    const std::vector<char> touched(size, 1);
    during = peak_resident_bytes();
    EXPECT_GE(during, static_cast<std::int64_t>(touched.size()));
    EXPECT_LT(during, before + static_cast<std::int64_t>(size) + (64 << 20));
  }
  // The kernel counts pages in batches, so that a peak is known to within some of them.
  EXPECT_GE(peak_resident_bytes(), during - (1 << 20));
}

TEST(Memory, WhatIsTouchedIsResidentUntilItIsGivenBack) {
  constexpr std::size_t kSize = std::size_t{64} << 20;
  constexpr std::int64_t kSome = 4 << 20;  // what else may come and go
  const std::int64_t before = resident_bytes();
  void* const pages = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  EXPECT_LT(resident_bytes(), before + kSome);
  std::memset(pages, 1, kSize);
  EXPECT_GE(resident_bytes(), before + static_cast<std::int64_t>(kSize) - kSome);
  munmap(pages, kSize);
  EXPECT_LT(resident_bytes(), before + kSome);
}

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

/// A machine's /proc and /sys with 64 GiB of memory, of which 48 are available, and such files.
MachineMemory memory_with(const std::map<std::string, std::string>& files) {
  const TemporaryFolder root;
  std::map<std::string, std::string> all = files;
  all.insert({"proc/meminfo", "MemTotal:       67108864 kB\nMemFree:  1 kB\nMemAvailable:   50331648 kB\n"});
  for (const auto& [name, text] : all) {
    std::filesystem::create_directories((root.path() / name).parent_path());
    std::ofstream(root.path() / name) << text;
  }
  return machine_memory(root.path());
}

/// A file's text with a number of GiB.
std::string gib(double number) { return std::to_string(static_cast<std::int64_t>(number * kGiB)) + "\n"; }

TEST(MachineMemory, OfThisMachineIsSensible) {
  const MachineMemory memory = machine_memory();
  EXPECT_GT(memory.available, 0);
  EXPECT_LE(memory.available, memory.total);
  EXPECT_GE(memory.total, resident_bytes());
}

TEST(MachineMemory, IsTheMachinesWithoutLimits) {
  for (const std::map<std::string, std::string>& files : std::vector<std::map<std::string, std::string>>{
           {},
           {{"proc/self/cgroup", "0::/a/b\n"}},
           {{"proc/self/cgroup", "0::/a\n"}, {"sys/fs/cgroup/a/memory.max", "max\n"}},
           {{"proc/self/cgroup", "3:cpu,memory:/\n"},
            {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
            {"sys/fs/cgroup/memory/memory.usage_in_bytes", gib(60)}},
           {{"proc/self/cgroup", "nonsense\n:\n::\n0::\n"}},
       }) {
    const MachineMemory memory = memory_with(files);
    EXPECT_EQ(memory.total, 64 * kGiB);
    EXPECT_EQ(memory.available, 48 * kGiB);
  }
}

TEST(MachineMemory, IsBoundedByTheLimitOfVersion2) {
  const MachineMemory memory = memory_with({{"proc/self/cgroup", "0::/job\n"},
                                            {"sys/fs/cgroup/job/memory.max", gib(16)},
                                            {"sys/fs/cgroup/job/memory.current", gib(10)}});
  EXPECT_EQ(memory.total, 16 * kGiB);
  EXPECT_EQ(memory.available, 6 * kGiB);
}

TEST(MachineMemory, IsBoundedByTheLimitOfVersion1) {
  const MachineMemory memory = memory_with(
      {{"proc/self/cgroup", "5:cpu:/other\n4:memory:/job\n0::/other\n"},
       {"sys/fs/cgroup/memory/job/memory.limit_in_bytes", gib(16)},
       {"sys/fs/cgroup/memory/job/memory.usage_in_bytes", gib(10)},
       {"sys/fs/cgroup/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file " + gib(2)}});
  EXPECT_EQ(memory.total, 16 * kGiB);
  EXPECT_EQ(memory.available, 8 * kGiB);
}

TEST(MachineMemory, FilesThatWereReadAreAvailable) {
  const MachineMemory memory =
      memory_with({{"proc/self/cgroup", "0::/job\n"},
                   {"sys/fs/cgroup/job/memory.max", gib(16)},
                   {"sys/fs/cgroup/job/memory.current", gib(15)},
                   {"sys/fs/cgroup/job/memory.stat", "anon 5\nfile 6\ninactive_file " + gib(7)}});
  EXPECT_EQ(memory.available, 8 * kGiB);
}

TEST(MachineMemory, TheLimitsOfTheGroupsAboveCount) {
  const MachineMemory memory = memory_with({{"proc/self/cgroup", "0::/slurm/job_7/step_0\n"},
                                            {"sys/fs/cgroup/slurm/job_7/step_0/memory.max", gib(8)},
                                            {"sys/fs/cgroup/slurm/job_7/step_0/memory.current", gib(1)},
                                            {"sys/fs/cgroup/slurm/job_7/memory.max", gib(32)},
                                            {"sys/fs/cgroup/slurm/job_7/memory.current", gib(30)}});
  EXPECT_EQ(memory.total, 8 * kGiB);
  EXPECT_EQ(memory.available, 2 * kGiB) << "the rest is others'";
}

TEST(MachineMemory, AContainersOwnLimitIsThatOfTheTopmostGroup) {
  const MachineMemory memory = memory_with({{"proc/self/cgroup", "0::/docker/of-the-machine\n"},
                                            {"sys/fs/cgroup/memory.max", gib(4)},
                                            {"sys/fs/cgroup/memory.current", gib(5)}});
  EXPECT_EQ(memory.total, 4 * kGiB);
  EXPECT_EQ(memory.available, 0) << "for a moment, more may be held than the limit";
}

TEST(MachineMemory, ASystemThatDoesNotTellIsABug) {
  EXPECT_THROW(memory_with({{"proc/meminfo", "MemTotal: 5 kB\n"}}), InternalError);
  EXPECT_THROW(machine_memory("/nowhere"), InternalError);
}

}  // namespace
}  // namespace weft
