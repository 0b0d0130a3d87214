#pragma once

#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "weft/device/device.hpp"

#include "bandwidth.hpp"

namespace weft {

/// What the cases run on: the host or a GPU, with its bandwidth as measured in this run.
struct Machine {
  std::unique_ptr<Device> device;
  std::unique_ptr<Communicator> world;  ///< this rank alone
  Bandwidth bandwidth;
  std::string suffix;  ///< of the cases' names: "" or "OnGpu"

  bool is_host() const { return device->is_host(); }
};

/// Sets beside a benchmark's time the least that its memory traffic takes on this machine, in ms, as
/// counters. `bytes` are the traffic of an iteration, at the bandwidth of reading; `updated` are those of
/// them that are read and written in place: their share at the bandwidth of updating gives the stricter
/// floor.
inline void set_floor(benchmark::State& state, const Machine& machine, double bytes, double updated) {
  const Bandwidth& bandwidth = machine.bandwidth;
  state.counters["floor_ms"] = 1e3 * bytes / bandwidth.read;
  state.counters["strict_floor_ms"] = 1e3 * ((bytes - updated) / bandwidth.read + updated / bandwidth.update);
}

// The same cases on every machine, which must outlive them.
void register_simulator_cases(const Machine& machine);
void register_training_cases(const Machine& machine);
void register_closed_form_cases(const Machine& machine);
void register_checkpoint_cases(const Machine& machine);
void register_metrics_cases(const Machine& machine);
/// The yardstick, on the host.
void register_dense_libtorch_cases();

}  // namespace weft
