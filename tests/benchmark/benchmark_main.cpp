// weft_benchmark: the hot steps beside the machine's bandwidth and beside plain LibTorch, all in one run; on
// the host and, where there is one, on a GPU.
#include <cstdio>
#include <list>
#include <utility>

#include <benchmark/benchmark.h>

#include <ATen/Parallel.h>

#include "weft/core/version.hpp"
#include "weft/device/cuda_library.hpp"
#include "weft/model/tensor_kernels.hpp"

#include "machine.hpp"

namespace weft {
namespace {

Machine host_machine() {
  std::unique_ptr<Device> device = make_host_device();
  return {std::move(device), make_self_communicator(), measure_host_bandwidth(), ""};
}

Machine gpu_machine() {
  std::unique_ptr<Device> device = open_cuda_device(0);
  serve_tensors(*device);
  auto world = device->connect(make_self_communicator());
  const Bandwidth bandwidth = measure_device_bandwidth(*device);
  return {std::move(device), std::move(world), bandwidth, "OnGpu"};
}

void describe(const Machine& machine) {
  const DeviceDescription found = machine.device->description();
  std::printf("%s: read %.1f GB/s, copy %.1f GB/s, update in place %.1f GB/s\n", found.name.c_str(),
              machine.bandwidth.read * 1e-9, machine.bandwidth.copy * 1e-9, machine.bandwidth.update * 1e-9);
}

void run() {
  const BuildInfo build = build_info();
  std::printf("weft %s (%s), %d threads\n", build.version.data(), build.commit.data(), at::get_num_threads());
  std::list<Machine> machines;
  machines.push_back(host_machine());
  const CudaSurvey survey = survey_cuda();
  if (survey.devices > 0) {
    machines.push_back(gpu_machine());
  } else {
    std::printf("no GPU: %s\n", survey.reason.c_str());
  }
  for (const Machine& machine : machines) {
    describe(machine);
    register_simulator_cases(machine);
    register_training_cases(machine);
    register_closed_form_cases(machine);
    register_checkpoint_cases(machine);
    register_metrics_cases(machine);
  }
  register_dense_libtorch_cases();
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace
}  // namespace weft

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  weft::run();
  benchmark::Shutdown();
}
