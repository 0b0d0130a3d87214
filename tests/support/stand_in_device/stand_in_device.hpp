#pragma once

// A device for LibTorch that computes on the host but keeps the rules of a GPU, so that code for GPUs is
// tested without one. Link weft_stand_in_device and make tensors on stand_in_device().
//
// What a test on it proves:
// - The host does not touch memory of the device: each address that a tensor gives is one that the host may
// not
//   read or write, and the process ends by SIGSEGV where it does.
// - Tensors of the host and of the device do not meet in one operation (zero-dimensional numbers of the host
// may
//   take part, as on a GPU, and are not written).
// - No value of fresh memory is relied on: it holds NaN, or -1 in integers.
// - While a graph is recorded, the host neither looks at numbers nor copies them to or from the device, and
// no
//   operation does that by itself (nonzero, linalg_eigh and their like).
// - A graph that is replayed does what its steps do: its numbers of the host stay what they were, its sizes
// too,
//   its recording changes no memory, and memory from before the recording is still there when it is replayed.
// - Where TF32 is allowed, products round the factors that are float32 to 10 bits, as a GPU does.
//
// What it does not prove: anything about speed, streams or more than one device; that a GPU has an operation
// in the needed type, or its accuracy; that tensors of a recording whose memory a GPU would use twice are
// kept apart; which of the operations that wait for the GPU do so beyond those that are listed in the source.
// One thread at a time.

#include <cstddef>
#include <functional>
#include <memory>

#include <c10/core/Device.h>

namespace weft::stand_in {

/// The only one there is.
at::Device stand_in_device();

/// Where the host finds what `device` points at, for kernels that run on the host; null for null. Throws
/// where no memory of the device is, or none any more.
void* host_address(const void* device);

/// What a launch is on a GPU: runs `kernel`, and again at each replay if a graph is being recorded. It may
/// touch memory of the device through host_address, and what it holds by value stays as it is now.
void run_kernel(std::function<void()> kernel);

/// Whether a graph is being recorded.
bool is_recording();

class Tape;

/// What a CUDA graph is on a GPU.
class RecordedGraph {
 public:
  /// Records what `steps` does on the device. As on a GPU nothing is done yet: memory of the device is
  /// afterwards what it was before, and tensors that were made by `steps` hold NaN until the first replay.
  explicit RecordedGraph(const std::function<void()>& steps);
  ~RecordedGraph();
  RecordedGraph(RecordedGraph&&) noexcept;
  RecordedGraph& operator=(RecordedGraph&&) noexcept;

  /// Throws where memory from before the recording is gone, or a size is no longer what it was.
  void replay() const;
  /// Operations, copies and kernels.
  std::size_t size() const;

 private:
  std::unique_ptr<Tape> tape_;
};

}  // namespace weft::stand_in
