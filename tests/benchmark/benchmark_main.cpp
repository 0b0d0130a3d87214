// weft_benchmark: the hot steps beside the machine's bandwidth and beside plain LibTorch, all in one run.
#include <cstdio>

#include <benchmark/benchmark.h>

#include <ATen/Parallel.h>

#include "weft/core/version.hpp"

#include "bandwidth.hpp"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const weft::BuildInfo build = weft::build_info();
  const weft::Bandwidth& bandwidth = weft::measured_bandwidth();
  std::printf("weft %s (%s), %d threads; memory: read %.1f GB/s, copy %.1f GB/s, update in place %.1f GB/s\n",
              build.version.data(), build.commit.data(), at::get_num_threads(), bandwidth.read * 1e-9,
              bandwidth.copy * 1e-9, bandwidth.update * 1e-9);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
