#include "device/cuda/cuda_device.hpp"

#include <cstdlib>
#include <exception>
#include <utility>

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include "weft/core/error.hpp"

#include "comm/nccl/nccl_communicator.hpp"
#include "device/cuda/cuda_errors.hpp"
#include "kernels/cuda/cuda_kernels.hpp"

// The kernels' scratch memory (kernels/cuda/launch.hpp, which is for nvcc).
namespace weft::cuda {
void* allocate_scratch(std::size_t bytes, cudaStream_t stream) {
  return c10::cuda::CUDACachingAllocator::raw_alloc_with_stream(bytes, stream);
}
void free_scratch(void* memory, cudaStream_t) { c10::cuda::CUDACachingAllocator::raw_delete(memory); }
}  // namespace weft::cuda

namespace weft {
namespace {

constexpr int kOldestMajor = 8;  // compute capability

std::string name_of(int ordinal) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, ordinal) != cudaSuccess) return fmt::format("GPU {}", ordinal);
  return fmt::format("GPU {} ({})", ordinal, properties.name);
}

std::string uuid_text(const cudaUUID_t& uuid) {
  std::string text = "GPU-";
  for (std::size_t k = 0; k < sizeof(uuid.bytes); ++k) {
    if (k == 4 || k == 6 || k == 8 || k == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[k]));
  }
  return text;
}

void require_usable(int ordinal) {
  std::string why;
  const int count = count_cuda_devices(why);
  if (count == 0) throw UserError({"GPU", why, "", "run on a node with a GPU, or on the CPU"});
  if (ordinal < 0 || ordinal >= count) {
    throw UserError({fmt::format("GPU {}", ordinal), "there is none of this number",
                     fmt::format("0 to {}", count - 1), "start no more ranks on a node than it has GPUs"});
  }
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties",
             fmt::format("GPU {}", ordinal));
  if (properties.major < kOldestMajor) {
    throw UserError({name_of(ordinal),
                     fmt::format("compute capability {}.{}", properties.major, properties.minor),
                     fmt::format("{}.0 or above", kOldestMajor), "use a newer GPU, or the CPU"});
  }
}

/// LibTorch asks its observers before it throws by itself: whoever runs out of memory, an operation of
/// LibTorch's or one of ours, gets the same message.
void report_out_of_memory_as_user_error() {
  static const bool done = [] {
    c10::cuda::CUDACachingAllocator::attachOutOfMemoryObserver(
        [](std::int64_t ordinal, std::size_t wanted, std::size_t total, std::size_t free) {
          fail_out_of_memory(name_of(static_cast<int>(ordinal)), wanted, free, total);
        });
    return true;
  }();
  (void)done;
}

/// LibTorch's stream of a GPU, made current.
c10::cuda::CUDAStream start_stream(int ordinal) {
  require_usable(ordinal);
  const auto index = static_cast<c10::DeviceIndex>(ordinal);
  c10::cuda::set_device(index);
  at::globalContext().lazyInitDevice(at::kCUDA);
  report_out_of_memory_as_user_error();
  const c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index);
  c10::cuda::setCurrentCUDAStream(stream);
  return stream;
}

/// Calls `work`, of LibTorch, and tells what it throws as check_cuda does.
template <typename Work>
void told_of_cuda(std::string_view call, std::string_view gpu, Work work) {
  try {
    work();
  } catch (const c10::Error& error) {
    retell(error, call, gpu);
  }
}

/// A CUDA graph, from the beginning of its recording.
class RecordedGraph final : public RecordedWork, private NcclRecording {
 public:
  /// `recording`, shared with the device, says that its stream is being recorded.
  RecordedGraph(std::shared_ptr<NcclStream> stream, std::shared_ptr<bool> recording, std::string gpu)
      : stream_(std::move(stream)), recording_(std::move(recording)), gpu_(std::move(gpu)) {
    stream_->enter(*this);
  }
  ~RecordedGraph() override { stream_->leave(*this); }
  RecordedGraph(const RecordedGraph&) = delete;
  RecordedGraph& operator=(const RecordedGraph&) = delete;

  void record(const std::function<void()>& work);
  void replay() override;
  std::size_t operations() const override { return operations_; }

 private:
  void begin();
  void end();
  void drop() noexcept override;
  void require_kept() const;

  std::shared_ptr<NcclStream> stream_;
  std::shared_ptr<bool> recording_;
  std::string gpu_;
  at::cuda::CUDAGraph graph_{/*keep_graph=*/true};
  bool begun_ = false;  // and not ended
  bool dropped_ = false;
  std::size_t operations_ = 0;
};

void RecordedGraph::begin() {
  graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  begun_ = *recording_ = true;
}

void RecordedGraph::end() {
  begun_ = *recording_ = false;
  graph_.capture_end();
}

void RecordedGraph::record(const std::function<void()>& work) {
  told_of_cuda("the beginning of a recording", gpu_, [&] { begin(); });
  try {
    work();
  } catch (...) {
    drop();
    throw;
  }
  require_kept();
  told_of_cuda("the end of a recording", gpu_, [&] {
    end();
    graph_.instantiate();
  });
  check_cuda(cudaGraphGetNodes(graph_.raw_cuda_graph(), nullptr, &operations_), "cudaGraphGetNodes", gpu_);
}

void RecordedGraph::replay() {
  require_kept();
  told_of_cuda("the replay of a recording", gpu_, [&] { graph_.replay(); });
}

void RecordedGraph::drop() noexcept {
  dropped_ = true;
  try {
    if (begun_) end();
    graph_.reset();
  } catch (const std::exception&) {  // what broke it is on its way already
  }
}

void RecordedGraph::require_kept() const {
  stream_->require_alive();
  require(!dropped_, "a recording that was dropped");
}

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int ordinal)
      : ordinal_(ordinal),
        stream_(start_stream(ordinal)),
        name_(name_of(ordinal)),
        kernels_(cuda_kernels(stream_.stream())),
        work_(std::make_shared<NcclStream>(nccl_library(), stream_.stream(), state_of_stream())) {}

  bool is_host() const override { return false; }
  std::string torch_name() const override { return fmt::format("cuda:{}", ordinal_); }
  DeviceDescription description() const override;

  const Kernels& kernels() const override { return *kernels_; }
  std::unique_ptr<Communicator> connect(std::unique_ptr<Communicator> control) override {
    return std::make_unique<NcclCommunicator>(work_, std::move(control));
  }

  DeviceMemory allocate(std::size_t bytes) override {
    return {c10::cuda::CUDACachingAllocator::raw_alloc_with_stream(bytes, stream_.stream()),
            [](void* memory) { c10::cuda::CUDACachingAllocator::raw_delete(memory); }};
  }
  void copy_in(void* to, const void* from, std::size_t bytes) override {
    copy(to, from, bytes, cudaMemcpyHostToDevice);
  }
  void copy_out(void* to, const void* from, std::size_t bytes) override {
    copy(to, from, bytes, cudaMemcpyDeviceToHost);
  }

  std::unique_ptr<RecordedWork> record(std::function<void()> work) override;
  void synchronize() override {
    require(!*recording_, "a wait for a GPU whose work is being recorded");
    work_->wait();
  }

 private:
  std::function<StreamState()> state_of_stream() const;
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind direction);

  int ordinal_;
  c10::cuda::CUDAStream stream_;
  std::string name_;
  std::unique_ptr<Kernels> kernels_;
  std::shared_ptr<bool> recording_ = std::make_shared<bool>(false);
  std::shared_ptr<NcclStream> work_;
};

/// Communicators may ask for it when the device is gone.
std::function<StreamState()> CudaDevice::state_of_stream() const {
  return [stream = stream_, name = name_, recording = recording_] {
    if (*recording) return StreamState::recording;
    const cudaError_t code = cudaStreamQuery(stream.stream());
    if (code == cudaErrorNotReady) {
      (void)cudaGetLastError();  // a launch must not take it for its own
      return StreamState::busy;
    }
    check_cuda(code, "the work before cudaStreamQuery", name);
    return StreamState::done;
  };
}

DeviceDescription CudaDevice::description() const {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, ordinal_), "cudaGetDeviceProperties", name_);
  // What LibTorch's pool holds for nobody counts as free, once it is given back.
  told_of_cuda("the return of free memory", name_, [] { c10::cuda::CUDACachingAllocator::emptyCache(); });
  std::size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo", name_);
  return {properties.name, uuid_text(properties.uuid), static_cast<std::int64_t>(total),
          static_cast<std::int64_t>(free)};
}

/// The wait before it is because a copy of memory that is not pinned would wait for the stream by itself,
/// where no failure of another rank ends it.
void CudaDevice::copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind direction) {
  synchronize();
  check_cuda(cudaMemcpyAsync(to, from, bytes, direction, stream_.stream()), "cudaMemcpyAsync", name_);
  synchronize();
}

std::unique_ptr<RecordedWork> CudaDevice::record(std::function<void()> work) {
  synchronize();
  auto graph = std::make_unique<RecordedGraph>(work_, recording_, name_);
  graph->record(work);
  return graph;
}

}  // namespace

std::unique_ptr<Device> make_cuda_device(int ordinal) {
  try {
    return std::make_unique<CudaDevice>(ordinal);
  } catch (const c10::Error& error) {
    fail_to_open(error, name_of(ordinal));
  }
}

int count_cuda_devices(std::string& why) {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const auto version = [](int code) { return fmt::format("{}.{}", code / 1000, code % 1000 / 10); };
  const cudaError_t code = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (driver == 0) {
    why = "no NVIDIA driver on this node";
  } else if (driver / 1000 < runtime / 1000) {
    why = fmt::format("the NVIDIA driver is too old: it is for CUDA {}, this build for CUDA {}",
                      version(driver), version(runtime));
  } else if ((code == cudaSuccess && count == 0) || code == cudaErrorNoDevice) {
    why = visible == nullptr ? "the NVIDIA driver finds no GPU"
                             : fmt::format("no GPU is visible (CUDA_VISIBLE_DEVICES={})", visible);
  } else if (code != cudaSuccess) {
    why = fmt::format("the NVIDIA driver shows no GPU: {} ({})", cudaGetErrorString(code),
                      cudaGetErrorName(code));
  }
  return why.empty() ? count : 0;
}

}  // namespace weft
