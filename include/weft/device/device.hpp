#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "weft/comm/communicator.hpp"
#include "weft/kernels/kernels.hpp"

namespace weft {

/// What a device is, as the table at the start shows it.
struct DeviceDescription {
  std::string name;
  std::string uuid;              ///< empty for the host
  std::int64_t total_bytes = 0;  ///< of its memory
  std::int64_t free_bytes = 0;
};

/// What of free memory may be planned with: nine tenths, for allocators and libraries take some too.
constexpr std::int64_t usable_bytes(std::int64_t free_bytes) { return free_bytes / 10 * 9; }

/// A block of a device's memory; given back with the object.
using DeviceMemory = std::unique_ptr<void, std::function<void(void*)>>;

/// Work that a device repeats by itself: on a GPU a CUDA graph.
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  /// Starts it once more, with the arguments and addresses of the recording. Returns before it is done.
  virtual void replay() = 0;
  /// Kernels, copies and collectives in it.
  virtual std::size_t operations() const = 0;
};

/// Where a rank's numbers lie and its hot loops run: the host, or one GPU. Everything on a GPU runs in the
/// order of one stream, so that the host waits only where it looks at a number. Local, but for `connect`.
class Device {
 public:
  virtual ~Device() = default;

  virtual bool is_host() const = 0;
  /// What LibTorch calls it: "cpu", "cuda:0".
  virtual std::string torch_name() const = 0;
  virtual DeviceDescription description() const = 0;

  virtual const Kernels& kernels() const = 0;
  /// The ranks of `control` with collectives on this device's memory too; host memory goes the way of
  /// `control`. @collective over `control`. @throws UserError on all ranks where one cannot.
  virtual std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> control) = 0;

  /// Uninitialised. @throws UserError, on the host std::bad_alloc, where the memory is used up.
  virtual DeviceMemory allocate(std::size_t bytes) = 0;
  /// From the host to this device's memory; the source may be reused at once.
  virtual void copy_in(void* to, const void* from, std::size_t bytes) = 0;
  /// From this device's memory to the host's, after all work so far.
  virtual void copy_out(void* to, const void* from, std::size_t bytes) = 0;

  /// Records what `work` starts on this device. `work` may neither wait for the device nor copy to or from
  /// the host. A GPU does nothing of it yet; the host, which has nothing to gain from it, repeats `work`
  /// itself.
  virtual std::unique_ptr<RecordedWork> record(std::function<void()> work) = 0;
  /// Waits until all work so far is done. @throws UserError where it failed or a rank that it waits for is
  /// gone.
  virtual void synchronize() = 0;
};

/// The host itself: memory is the host's, collectives are those of `control`.
std::unique_ptr<Device> make_host_device();

}  // namespace weft
