#pragma once

#include <benchmark/benchmark.h>

#include "bandwidth.hpp"

namespace weft {

/// Sets beside a benchmark's time the least that its memory traffic takes on this machine, in ms, as
/// counters. `bytes` are the traffic of an iteration, at the bandwidth of reading; `updated` are those of
/// them that are read and written in place: their share at the bandwidth of updating gives the stricter
/// floor.
inline void set_floor(benchmark::State& state, double bytes, double updated) {
  const Bandwidth& bandwidth = measured_bandwidth();
  state.counters["floor_ms"] = 1e3 * bytes / bandwidth.read;
  state.counters["strict_floor_ms"] = 1e3 * ((bytes - updated) / bandwidth.read + updated / bandwidth.update);
}

}  // namespace weft
