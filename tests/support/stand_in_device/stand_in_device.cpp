#include "support/stand_in_device/stand_in_device.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_local_scalar_dense.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include "support/stand_in_device/stand_in_memory.hpp"

namespace weft::stand_in {

/// What a graph is made of. It does not own the memory that was there before it.
class Tape {
 public:
  std::vector<std::function<void()>> kernels;
  /// Memory that was allocated while recording, as a CUDA graph's own pool keeps it.
  std::vector<std::shared_ptr<Memory::Block>> pool;
};

namespace {

const c10::Device kDevice(c10::DeviceType::PrivateUse1, 0);
constexpr c10::DispatchKeySet kKey(c10::DispatchKey::PrivateUse1);

Tape* tape_being_recorded = nullptr;

void record(std::function<void()> kernel) {
  if (tape_being_recorded != nullptr) tape_being_recorded->kernels.push_back(std::move(kernel));
}

// ---- memory ----

class StandInAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, kDevice};
    auto* owner = new std::shared_ptr(Memory::instance().allocate(bytes));
    if (tape_being_recorded != nullptr) tape_being_recorded->pool.push_back(*owner);
    return {(*owner)->device(), owner, &let_go, kDevice};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(host_address(to), host_address(from), bytes);
  }

 private:
  static void let_go(void* owner) { delete static_cast<std::shared_ptr<Memory::Block>*>(owner); }
};

StandInAllocator allocator;
REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &allocator);

/// Lets at::from_blob find out that an address is of this device, as it does with those of CUDA.
class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  at::Device getDeviceFromPtr(void* address) const override {
    TORCH_CHECK(Memory::instance().holds(address), "an address that is none of the stand-in device's");
    return kDevice;
  }
};

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kDevice.type(); }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

// ---- tensors over memory that they do not own ----

bool is_on_device(const at::Tensor& tensor) { return tensor.defined() && tensor.device() == kDevice; }

at::Tensor over(const at::Tensor& like, c10::DataPtr data, c10::DispatchKey key, c10::Allocator* grows_by) {
  c10::Storage storage(c10::Storage::use_byte_size_t{}, like.storage().nbytes(), std::move(data), grows_by,
                       /*resizable=*/grows_by != nullptr);
  at::Tensor result =
      at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), like.dtype());
  c10::TensorImpl* impl = result.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  if (like.unsafeGetTensorImpl()->is_wrapped_number()) impl->set_wrapped_number(true);
  return result;
}

/// The same elements for the host; itself if it is of the host.
at::Tensor host_view(const at::Tensor& tensor) {
  if (!is_on_device(tensor)) return tensor;
  return over(tensor, {host_address(tensor.storage().data()), at::kCPU}, c10::DispatchKey::CPU,
              c10::GetCPUAllocator());
}

/// As a tape holds it: memory of the device without owning it, numbers of the host as they are now.
at::Tensor for_tape(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  if (is_on_device(tensor)) {
    void* address = const_cast<void*>(tensor.storage().data());
    return over(tensor, {address, kDevice}, c10::DispatchKey::PrivateUse1, nullptr);
  }
  at::Tensor number = tensor.clone();
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) {
    number.unsafeGetTensorImpl()->set_wrapped_number(true);
  }
  return number;
}

at::Tensor to_device(const at::Tensor& host) {
  if (!host.defined()) return host;
  at::Tensor result = at::empty_strided(host.sizes(), host.strides(), host.options().device(kDevice));
  host_view(result).copy_(host);
  return result;
}

/// Puts what the host made of a tensor's memory when it grew in the place of that memory.
void grow(const c10::Storage& device, const c10::Storage& host) {
  c10::DataPtr grown = allocator.allocate(host.nbytes());
  std::memcpy(host_address(grown.get()), host.data(), host.nbytes());
  record([to = grown.get(), from = device.data(), bytes = std::min(device.nbytes(), host.nbytes())] {
    if (bytes > 0) allocator.copy_data(to, from, bytes);
  });
  device.unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(grown));
  device.unsafeGetStorageImpl()->set_nbytes(host.nbytes());
}

/// Does on the device what an operation did to the size of the tensor that it was given.
void follow(const at::Tensor& device, const at::Tensor& host) {
  if (host.storage().data() != host_address(device.storage().data())) grow(device.storage(), host.storage());
  if (device.sizes() != host.sizes() || device.strides() != host.strides()) {
    device.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
  }
}

// ---- operations: on the host, on views of the device's memory ----

template <typename OfTensor>
c10::IValue map_tensors(const c10::IValue& value, OfTensor of_tensor) {
  if (value.isTensor()) return of_tensor(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(of_tensor(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
      list.push_back(tensor ? std::optional(of_tensor(*tensor)) : std::nullopt);
    }
    return list;
  }
  return value;
}

template <typename OfTensor>
std::vector<c10::IValue> map_tensors(const std::vector<c10::IValue>& values, OfTensor of_tensor) {
  std::vector<c10::IValue> result;
  for (const c10::IValue& value : values) result.push_back(map_tensors(value, of_tensor));
  return result;
}

std::vector<at::Tensor> tensors_of(const std::vector<c10::IValue>& values) {
  std::vector<at::Tensor> result;
  map_tensors(values, [&](const at::Tensor& tensor) {
    result.push_back(tensor);
    return tensor;
  });
  return result;
}

void refuse_views(const c10::OperatorHandle& op) {
  for (const c10::Argument& result : op.schema().returns()) {
    TORCH_CHECK(result.alias_info() == nullptr || result.alias_info()->isWrite(), op.operator_name(),
                ": this view is not known to the stand-in device");
  }
}

/// Numbers of the host may be read beside tensors of the device; nothing else of the host may be there.
void refuse_tensors_of_host(const c10::OperatorHandle& op, const std::vector<c10::IValue>& arguments) {
  for (std::size_t k = 0; k < arguments.size(); ++k) {
    const c10::AliasInfo* alias = op.schema().arguments()[k].alias_info();
    const bool may_be_number = arguments[k].isTensor() && (alias == nullptr || !alias->isWrite());
    for (const at::Tensor& tensor : tensors_of({arguments[k]})) {
      const bool fits = !tensor.defined() || is_on_device(tensor) || (may_be_number && tensor.dim() == 0);
      TORCH_CHECK(fits, op.operator_name(), ": a tensor of the host among those of the stand-in device");
    }
  }
}

/// What waits for a GPU to look at its numbers, although it gives tensors back.
constexpr std::array<std::string_view, 13> kWaits = {
    "aten::nonzero",      "aten::nonzero_numpy", "aten::masked_select",
    "aten::_linalg_eigh", "aten::_linalg_svd",   "aten::_unique",
    "aten::_unique2",     "aten::unique_dim",    "aten::unique_consecutive",
    "aten::bincount",     "aten::linalg_lstsq",  "aten::repeat_interleave",
    "aten::linalg_eig"};

void refuse_to_wait_while_recording(const c10::OperatorHandle& op, const std::vector<c10::IValue>& results) {
  if (tape_being_recorded == nullptr) return;
  const bool looks = std::any_of(results.begin(), results.end(), [](const c10::IValue& result) {
    return !result.isTensor() && !result.isTensorList() && !result.isNone();
  });
  const bool waits = std::find(kWaits.begin(), kWaits.end(), op.schema().name()) != kWaits.end();
  TORCH_CHECK(!looks && !waits, op.operator_name(),
              " looks at numbers of the device while a graph is recorded");
}

/// Matrix products, and which argument the first of their two factors is.
constexpr std::array<std::pair<std::string_view, std::size_t>, 6> kProducts = {{{"aten::mm", 0},
                                                                                {"aten::bmm", 0},
                                                                                {"aten::addmm", 1},
                                                                                {"aten::addmm_", 1},
                                                                                {"aten::baddbmm", 1},
                                                                                {"aten::baddbmm_", 1}}};

/// To the 10 bits of TF32 (Dekker 1971).
at::Tensor rounded(const at::Tensor& factor) {
  if (factor.scalar_type() != at::kFloat) return factor;
  const at::Tensor raised = factor * 8193;
  return raised - (raised - factor);
}

void round_factors(const c10::OperatorHandle& op, torch::jit::Stack& arguments) {
  if (!at::globalContext().allowTF32CuBLAS()) return;
  const auto product =
      std::ranges::find(kProducts, op.schema().name(), &std::pair<std::string_view, std::size_t>::first);
  if (product == kProducts.end()) return;
  for (const std::size_t k : {product->second, product->second + 1})
    arguments[k] = rounded(arguments[k].toTensor());
}

/// One operation on the host. Its arguments on the device and what the host saw of them are put into `seen`.
std::vector<c10::IValue> call_on_host(const c10::OperatorHandle& op,
                                      const std::vector<c10::IValue>& arguments,
                                      std::vector<std::pair<at::Tensor, at::Tensor>>& seen) {
  torch::jit::Stack stack = map_tensors(arguments, [&](const at::Tensor& tensor) {
    at::Tensor view = host_view(tensor);
    if (is_on_device(tensor)) seen.emplace_back(tensor, view);
    return view;
  });
  for (c10::IValue& value : stack) {
    if (value.isDevice()) value = c10::Device(at::kCPU);
  }
  round_factors(op, stack);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &stack);
  return stack;
}

/// The results are tensors of the device: the arguments themselves where the operation gave them back.
std::vector<c10::IValue> call(const c10::OperatorHandle& op, const std::vector<c10::IValue>& arguments) {
  std::vector<std::pair<at::Tensor, at::Tensor>> seen;
  const std::vector<c10::IValue> results = call_on_host(op, arguments, seen);
  for (const auto& [device, host] : seen) follow(device, host);
  return map_tensors(results, [&](const at::Tensor& result) {
    const auto same = [&](const auto& pair) { return result.defined() && pair.second.is_same(result); };
    const auto given = std::find_if(seen.begin(), seen.end(), same);
    return given != seen.end() ? given->first : to_device(result);
  });
}

void require_same_size(const c10::OperatorHandle& op, const at::Tensor& recorded, const at::Tensor& now) {
  TORCH_CHECK(recorded.sizes() == now.sizes(), op.operator_name(),
              ": a size has changed since it was recorded");
}

/// The same operation again, into the memory that its results had when it was recorded.
void call_again(const c10::OperatorHandle& op, const std::vector<c10::IValue>& arguments,
                const std::vector<at::Tensor>& results) {
  std::vector<std::pair<at::Tensor, at::Tensor>> seen;
  const std::vector<at::Tensor> again = tensors_of(call_on_host(op, arguments, seen));
  for (const auto& [device, host] : seen) require_same_size(op, device, host);
  for (std::size_t k = 0; k < results.size(); ++k) {
    const auto same = [&](const auto& pair) { return pair.second.is_same(again[k]); };
    if (!again[k].defined() || std::any_of(seen.begin(), seen.end(), same)) continue;
    require_same_size(op, results[k], again[k]);
    host_view(results[k]).copy_(again[k]);
  }
}

/// All operations that are neither registered below nor made of others.
void run_operation(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto count = static_cast<std::ptrdiff_t>(op.schema().arguments().size());
  const std::vector<c10::IValue> arguments(stack->end() - count, stack->end());
  refuse_views(op);
  refuse_tensors_of_host(op, arguments);
  const std::vector<c10::IValue> results = call(op, arguments);
  refuse_to_wait_while_recording(op, results);
  if (tape_being_recorded != nullptr) {
    record([op, kept = map_tensors(arguments, &for_tape),
            outputs = tensors_of(map_tensors(results, &for_tape))] { call_again(op, kept, outputs); });
  }
  stack->resize(stack->size() - static_cast<std::size_t>(count));
  stack->insert(stack->end(), results.begin(), results.end());
}

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator, kKey, c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator, kKey, c10::dtype_or_default(type));
}

at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                      std::optional<std::int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

at::Scalar number_of(const at::Tensor& self) {
  TORCH_CHECK(tape_being_recorded == nullptr, "the host looks at a number while a graph is recorded");
  return at::_local_scalar_dense(host_view(self));
}

at::Tensor copy(const at::Tensor& from, const at::Tensor& to, bool) {
  TORCH_CHECK(tape_being_recorded == nullptr || (is_on_device(from) && is_on_device(to)),
              "a copy between host and device while a graph is recorded");
  host_view(to).copy_(host_view(from));
  if (tape_being_recorded != nullptr) {
    record([source = for_tape(from), target = for_tape(to)] { host_view(target).copy_(host_view(source)); });
  }
  return to;
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  c10::register_privateuse1_backend("stand_in");
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_operation>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("as_strided", as_strided);
  library.impl("view", &at::native::view);
  library.impl("_reshape_alias", &at::native::_reshape_alias);
  library.impl("unfold", &at::native::unfold);
  library.impl("_local_scalar_dense", number_of);
  library.impl("_copy_from", copy);
}

// ---- recording ----

/// Memory as it was when the recording began, and a tape that takes what is done from then on.
class Recording {
 public:
  explicit Recording(Tape& tape) : tape_(tape) {
    TORCH_CHECK(tape_being_recorded == nullptr, "a graph is already being recorded");
    for (auto& block : Memory::instance().live()) {
      const char* begin = static_cast<const char*>(block->host());
      before_.emplace_back(block, std::vector<char>(begin, begin + block->bytes()));
    }
    tape_being_recorded = &tape;
  }
  ~Recording() {
    tape_being_recorded = nullptr;
    for (const auto& [block, bytes] : before_) std::memcpy(block->host(), bytes.data(), bytes.size());
    for (const auto& block : tape_.pool) block->spoil();
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  Tape& tape_;
  std::vector<std::pair<std::shared_ptr<Memory::Block>, std::vector<char>>> before_;
};

}  // namespace

at::Device stand_in_device() { return kDevice; }

void* host_address(const void* device) { return Memory::instance().host_address(device); }

void run_kernel(std::function<void()> kernel) {
  kernel();
  record(std::move(kernel));
}

bool is_recording() { return tape_being_recorded != nullptr; }

RecordedGraph::RecordedGraph(const std::function<void()>& steps) : tape_(std::make_unique<Tape>()) {
  const Recording recording(*tape_);
  steps();
}
RecordedGraph::~RecordedGraph() = default;
RecordedGraph::RecordedGraph(RecordedGraph&&) noexcept = default;
RecordedGraph& RecordedGraph::operator=(RecordedGraph&&) noexcept = default;

void RecordedGraph::replay() const {
  TORCH_CHECK(tape_being_recorded == nullptr, "a graph is replayed while another is recorded");
  const at::AutoDispatchBelowADInplaceOrView no_autograd;
  for (const auto& kernel : tape_->kernels) kernel();
}

std::size_t RecordedGraph::size() const { return tape_->kernels.size(); }

}  // namespace weft::stand_in
