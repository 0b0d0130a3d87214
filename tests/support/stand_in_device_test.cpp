#include "support/stand_in_device/stand_in_device.hpp"

#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ATen/Context.h>
#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include "model/random_tensor.hpp"

namespace weft {
namespace {

using stand_in::host_address;
using stand_in::RecordedGraph;
using stand_in::run_kernel;
using stand_in::stand_in_device;

using Tensors = std::vector<at::Tensor>;

/// What the operations are tried on.
struct Inputs {
  at::Tensor a, b, row;    // 6 x 5, 6 x 5, 5
  at::Tensor batch;        // 3 x 6 x 4
  at::Tensor square;       // 5 x 5, positive definite
  at::Tensor triangle;     // 5 x 5, lower
  at::Tensor index, mask;  // 3 rows of a; 6 x 5

  Inputs to(at::Device device) const {
    return {a.to(device),      b.to(device),        row.to(device),   batch.to(device),
            square.to(device), triangle.to(device), index.to(device), mask.to(device)};
  }
  /// Takes over the values of others, where they are.
  void copy_(const Inputs& other) {
    a.copy_(other.a), b.copy_(other.b), row.copy_(other.row), batch.copy_(other.batch);
    square.copy_(other.square), triangle.copy_(other.triangle), index.copy_(other.index),
        mask.copy_(other.mask);
  }
};

Inputs make_inputs(std::uint64_t seed) {
  Inputs inputs;
  inputs.a = random_tensor({6, 5}, seed);
  inputs.b = random_tensor({6, 5}, seed + 1);
  inputs.row = random_tensor({5}, seed + 2);
  inputs.batch = random_tensor({3, 6, 4}, seed + 3);
  inputs.square = at::matmul(inputs.a.t(), inputs.a) + at::eye(5, at::kDouble);
  inputs.triangle = std::get<0>(at::linalg_cholesky_ex(inputs.square));
  inputs.index = at::arange(3, at::kLong) * 2 + static_cast<std::int64_t>(seed % 2);
  inputs.mask = inputs.b > 0;
  return inputs;
}

struct Operation {
  std::string name;
  std::function<Tensors(Inputs&)> run;
  /// A GPU would have to wait in it.
  bool recordable = true;
};

void PrintTo(const Operation& operation, std::ostream* out) { *out << operation.name; }

Tensors list(const std::tuple<at::Tensor, at::Tensor>& pair) {
  return {std::get<0>(pair), std::get<1>(pair)};
}

std::vector<Operation> views() {
  return {
      {"narrow", [](Inputs& in) { return Tensors{in.a.narrow(1, 1, 3)}; }},
      {"select", [](Inputs& in) { return Tensors{in.a.select(0, 2)}; }},
      {"slice", [](Inputs& in) { return Tensors{in.a.slice(0, 1, 6, 2)}; }},
      {"unbind", [](Inputs& in) { return in.a.unbind(1); }},
      {"split", [](Inputs& in) { return in.a.split(2, 1); }},
      {"chunk", [](Inputs& in) { return in.a.chunk(3, 0); }},
      {"split_with_sizes",
       [](Inputs& in) {
         return in.a.split_with_sizes({1, 3, 2}, 0);
       }},
      {"t", [](Inputs& in) { return Tensors{in.a.t()}; }},
      {"transpose", [](Inputs& in) { return Tensors{in.batch.transpose(0, 2)}; }},
      {"expand",
       [](Inputs& in) {
         return Tensors{in.row.expand({4, 5})};
       }},
      {"unsqueeze", [](Inputs& in) { return Tensors{in.a.unsqueeze(1)}; }},
      {"squeeze",
       [](Inputs& in) {
         return Tensors{in.a.narrow(1, 2, 1).squeeze(), in.a.narrow(1, 2, 1).squeeze(1)};
       }},
      {"permute",
       [](Inputs& in) {
         return Tensors{in.batch.permute({2, 0, 1})};
       }},
      {"diagonal",
       [](Inputs& in) {
         return Tensors{in.a.diagonal(), in.a.diagonal(1)};
       }},
      {"view",
       [](Inputs& in) {
         return Tensors{in.a.view({3, 10}), in.a.view(-1)};
       }},
      {"reshape",
       [](Inputs& in) {
         return Tensors{in.batch.transpose(1, 2).reshape({3, 2, 12}).select(0, 1), in.a.reshape({5, 6})};
       }},
      {"flatten", [](Inputs& in) { return Tensors{in.batch.flatten(1)}; }},
      {"unflatten",
       [](Inputs& in) {
         return Tensors{in.a.unflatten(0, {2, 3})};
       }},
      {"as_strided",
       [](Inputs& in) {
         return Tensors{in.a.as_strided({2, 3}, {7, 2}, 3)};
       }},
      {"unfold", [](Inputs& in) { return Tensors{in.a.unfold(0, 3, 1)}; }},
      {"detach", [](Inputs& in) { return Tensors{in.a.detach()}; }},
  };
}

std::vector<Operation> elementwise() {
  return {
      {"arithmetic",
       [](Inputs& in) { return Tensors{in.a + in.b, in.a - in.row, 2 * in.a, in.a / 3, -in.a, 1 / in.a}; }},
      {"comparison",
       [](Inputs& in) {
         return Tensors{in.a > in.b, in.a <= 0.5, in.a == in.a, in.mask & (in.a < 1)};
       }},
      {"number_of_host", [](Inputs& in) { return Tensors{in.a * at::scalar_tensor(1.5, at::kDouble)}; }},
      {"where",
       [](Inputs& in) {
         return Tensors{at::where(in.mask, in.a, in.b), at::where(in.mask, in.a, 0.0)};
       }},
      {"clamp",
       [](Inputs& in) {
         return Tensors{in.a.clamp(-0.5, 0.7), in.a.clamp_min(0), in.b.clamp_(0.1)};
       }},
      {"functions",
       [](Inputs& in) {
         return Tensors{in.square.diagonal().sqrt(),
                        in.a.abs(),
                        in.a.exp(),
                        in.a.square(),
                        in.a.tanh(),
                        in.a.pow(3),
                        in.a.sign(),
                        in.a.relu(),
                        in.a.isfinite()};
       }},
      {"lerp",
       [](Inputs& in) {
         return Tensors{in.a.lerp(in.b, 0.3), in.a.lerp_(in.b, 0.2),
                        in.a.lerp(in.b, in.mask.to(at::kDouble))};
       }},
      {"in_place", [](Inputs& in) { return Tensors{in.a.add_(in.b).mul_(0.5).sub_(in.row).div_(3)}; }},
      {"in_place_on_a_view",
       [](Inputs& in) {
         in.a.t().narrow(0, 1, 2).mul_(3);
         in.a.select(1, 0).zero_();
         in.a[2][3] = 7;
         return Tensors{in.a};
       }},
      {"addcmul_", [](Inputs& in) { return Tensors{in.a.addcmul_(in.b, in.row, 0.3)}; }},
      {"addcdiv_", [](Inputs& in) { return Tensors{in.a.addcdiv_(in.b, in.row.exp(), -0.3)}; }},
      {"masked_fill_",
       [](Inputs& in) {
         return Tensors{in.a.masked_fill_(in.mask, 4), in.b.masked_fill(in.mask, 1)};
       }},
      {"fill_",
       [](Inputs& in) {
         return Tensors{in.a.fill_(2.5), in.b.narrow(1, 0, 2).zero_(), in.b};
       }},
  };
}

std::vector<Operation> moves() {
  return {
      {"clone",
       [](Inputs& in) {
         return Tensors{in.a.clone(), in.a.t().clone()};
       }},
      {"contiguous", [](Inputs& in) { return Tensors{in.a.t().contiguous()}; }},
      {"copy_",
       [](Inputs& in) {
         in.a.t().narrow(0, 1, 3).copy_(in.b.slice(1, 0, 5, 2).t());
         in.b.copy_(in.row);
         return Tensors{in.a, in.b};
       }},
      {"to_type",
       [](Inputs& in) {
         return Tensors{in.a.to(at::kFloat), in.mask.to(at::kDouble), in.a.to(at::kLong)};
       }},
      {"copy_to_other_type",
       [](Inputs& in) {
         return Tensors{at::zeros({6, 5}, in.a.options().dtype(at::kFloat)).copy_(in.a)};
       }},
      {"factories",
       [](Inputs& in) {
         const auto options = in.a.options();
         return Tensors{at::zeros_like(in.a),       at::ones_like(in.mask), at::full({2, 3}, 1.5, options),
                        at::eye(4, options),        at::arange(7, options), at::scalar_tensor(3, options),
                        at::zeros({0, 3}, options), in.a.new_zeros({2})};
       }},
      {"cat",
       [](Inputs& in) {
         return Tensors{at::cat({in.a, in.b.narrow(0, 1, 2)}), at::cat({in.a.t(), in.b.t()}, 1)};
       }},
      {"stack",
       [](Inputs& in) {
         return Tensors{at::stack({in.a, in.b}, 1)};
       }},
      {"index_select",
       [](Inputs& in) {
         return Tensors{in.a.index_select(0, in.index), in.batch.index_select(2, in.index.narrow(0, 0, 2))};
       }},
      {"index",
       [](Inputs& in) {
         return Tensors{in.a.index({in.index}),
                        in.a.index({at::indexing::Slice(), in.index.narrow(0, 0, 2)})};
       }},
      {"index_in_place",
       [](Inputs& in) {
         in.a.index_copy_(0, in.index, in.b.narrow(0, 0, 3));
         in.a.index_add_(0, in.index, in.b.narrow(0, 1, 3));
         in.b.index_put_({in.index}, in.row);
         return Tensors{in.a, in.b};
       }},
      {"gather",
       [](Inputs& in) {
         return Tensors{in.a.gather(0, in.index.unsqueeze(1)), in.a.flip(0), in.a.repeat({2, 1}),
                        in.a.tril()};
       }},
      {"index_by_mask",
       [](Inputs& in) {
         return Tensors{in.a.index({in.mask}), in.a.masked_select(in.mask), in.mask.nonzero()};
       },
       false},
  };
}

std::vector<Operation> outputs() {
  return {
      {"out_of_its_size",
       [](Inputs& in) {
         return Tensors{at::add_out(in.a, in.b, in.row), in.a};
       }},
      {"out_from_empty",
       [](Inputs& in) {
         at::Tensor sum = at::empty({0}, in.a.options()), rows = at::empty({0}, in.a.options());
         at::add_out(sum, in.a, in.b);
         at::index_select_out(rows, in.a, 0, in.index);
         return Tensors{sum, rows};
       }},
      {"out_of_a_view",
       [](Inputs& in) {
         at::Tensor transposed = in.square.t();
         at::mm_out(transposed, in.a.t(), in.b);
         return Tensors{in.square};
       }},
      {"resize_",
       [](Inputs& in) {
         at::Tensor grown = in.row.clone(), shrunk = in.row.clone();
         return Tensors{grown.resize_({10}).narrow(0, 0, 5), shrunk.resize_({2})};
       }},
  };
}

std::vector<Operation> reductions() {
  return {
      {"sum",
       [](Inputs& in) {
         return Tensors{in.a.sum(), in.a.sum(0), in.a.sum(at::IntArrayRef{0, 1}),
                        in.batch.sum(at::IntArrayRef{0, 2}, true)};
       }},
      {"sum_of_type",
       [](Inputs& in) {
         return Tensors{in.a.to(at::kFloat).sum(0, false, at::kDouble), in.mask.sum(at::kLong),
                        in.mask.sum()};
       }},
      {"mean",
       [](Inputs& in) {
         return Tensors{in.a.mean(1), in.a.var(0), in.a.norm(), in.a.std()};
       }},
      {"aminmax", [](Inputs& in) { return list(in.a.aminmax()); }},
      {"aminmax_of_dimension", [](Inputs& in) { return list(in.a.aminmax(1)); }},
      {"extremes",
       [](Inputs& in) {
         return Tensors{in.a.max(),    in.a.amin({1}), in.a.argmax(0), std::get<1>(in.a.max(1)),
                        in.mask.all(), in.mask.any(0)};
       }},
      {"order",
       [](Inputs& in) {
         return Tensors{std::get<0>(in.a.sort(1)), in.a.argsort(std::int64_t{0}), std::get<0>(in.a.topk(2)),
                        in.a.cumsum(0), std::get<0>(in.a.median(0))};
       }},
  };
}

std::vector<Operation> linear_algebra() {
  return {
      {"matmul",
       [](Inputs& in) {
         return Tensors{at::matmul(in.a, in.b.t()), in.a.matmul(in.row),
                        in.batch.matmul(in.batch.transpose(1, 2)), in.a.mv(in.row), in.row.dot(in.row)};
       }},
      {"bmm",
       [](Inputs& in) {
         return Tensors{at::bmm(in.batch.transpose(1, 2), in.batch),
                        in.batch.baddbmm(in.batch, in.batch.narrow(1, 0, 4), 2, 0.5)};
       }},
      {"addmm_", [](Inputs& in) { return Tensors{in.square.addmm_(in.a.t(), in.b, 0.5, 2)}; }},
      {"addmm_on_a_view",
       [](Inputs& in) {
         in.a.narrow(1, 1, 2).addmm_(in.b, in.square.narrow(1, 0, 2));
         return Tensors{in.a};
       }},
      {"linalg_cholesky_ex", [](Inputs& in) { return list(at::linalg_cholesky_ex(in.square)); }},
      {"linalg_solve_triangular",
       [](Inputs& in) {
         return Tensors{at::linalg_solve_triangular(in.triangle, in.a.t(), false),
                        at::linalg_solve_triangular(in.triangle.t(), in.a, true, false)};
       }},
      {"linalg_eigh", [](Inputs& in) { return list(at::linalg_eigh(in.square)); }, false},
      {"linalg_pinv",
       [](Inputs& in) {
         return Tensors{at::linalg_pinv(in.a), at::linalg_pinv(in.square, 1e-10, true)};
       },
       false},
  };
}

std::vector<Operation> all_operations() {
  std::vector<Operation> all;
  for (const auto& part : {views(), elementwise(), moves(), outputs(), reductions(), linear_algebra()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// Brings `got` from the device.
void expect_same(const Tensors& got, const Tensors& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t k = 0; k < got.size(); ++k) {
    EXPECT_EQ(got[k].device(), stand_in_device());
    EXPECT_EQ(got[k].scalar_type(), expected[k].scalar_type());
    ASSERT_EQ(got[k].sizes(), expected[k].sizes());
    const at::Tensor host = got[k].cpu();
    EXPECT_TRUE(at::allclose(host.to(at::kDouble), expected[k].to(at::kDouble), 1e-12, 1e-12))
        << "result " << k << ": " << host << "\nexpected: " << expected[k];
  }
}

class StandInDevice : public testing::TestWithParam<Operation> {
 protected:
  static Tensors on_host(std::uint64_t seed) {
    Inputs inputs = make_inputs(seed);
    return GetParam().run(inputs);
  }
  static Tensors on_device(std::uint64_t seed) {
    Inputs inputs = make_inputs(seed).to(stand_in_device());
    return GetParam().run(inputs);
  }
};

TEST_P(StandInDevice, ComputesWhatTheHostDoes) { expect_same(on_device(1), on_host(1)); }

TEST_P(StandInDevice, ComputesInInferenceMode) {
  const c10::InferenceMode inference;
  expect_same(on_device(2), on_host(2));
}

TEST_P(StandInDevice, IsRecordedOrRefuses) {
  Inputs inputs = make_inputs(1).to(stand_in_device());
  Tensors results;
  const auto steps = [&] { results = GetParam().run(inputs); };
  if (!GetParam().recordable) {
    EXPECT_THROW(RecordedGraph graph(steps), c10::Error);
    return;
  }
  const RecordedGraph graph(steps);
  for (const std::uint64_t seed : {1, 2, 3}) {
    inputs.copy_(make_inputs(seed));
    graph.replay();
    expect_same(results, on_host(seed));
  }
}

INSTANTIATE_TEST_SUITE_P(Operations, StandInDevice, testing::ValuesIn(all_operations()),
                         [](const auto& one) { return one.param.name; });

class StandInView : public testing::TestWithParam<Operation> {};

TEST_P(StandInView, SharesTheMemory) {
  Inputs host = make_inputs(1), device = host.to(stand_in_device());
  if (GetParam().name == "reshape" || GetParam().name == "expand" || GetParam().name == "unfold") {
    GTEST_SKIP() << "its elements are copies, or meet";
  }
  for (Inputs* inputs : {&host, &device}) {
    for (at::Tensor& view : GetParam().run(*inputs)) view.add_(100);
  }
  expect_same({device.a, device.row, device.batch}, {host.a, host.row, host.batch});
}

INSTANTIATE_TEST_SUITE_P(Operations, StandInView, testing::ValuesIn(views()),
                         [](const auto& one) { return one.param.name; });

at::Tensor on_device(const at::Tensor& host) { return host.to(stand_in_device()); }

/// The signal that ends a copy of this process that does `deed`; 0 if it survives.
int signal_that_ends(const std::function<void()>& deed) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    std::signal(SIGSEGV, SIG_DFL);
    deed();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(StandInMemory, EndsTheProcessThatTouchesIt) {
  const at::Tensor tensor = at::ones({3}, at::TensorOptions(at::kDouble).device(stand_in_device()));
  auto* address = tensor.mutable_data_ptr<double>();
  const auto read = [](const volatile double* from) { static_cast<void>(*from); };
  const auto write = [](double* to) { std::memset(to, 0, sizeof(double)); };
  EXPECT_EQ(signal_that_ends([&] { read(address + 1); }), SIGSEGV);
  EXPECT_EQ(signal_that_ends([&] { write(address + 1); }), SIGSEGV);
  EXPECT_EQ(signal_that_ends([&] { read(static_cast<double*>(host_address(address + 1))); }), 0);
}

TEST(StandInMemory, EndsTheProcessThatRunsFarBeyondABlock) {
  const at::Tensor tensor = at::ones({512}, at::TensorOptions(at::kDouble).device(stand_in_device()));
  auto* host = static_cast<double*>(host_address(tensor.const_data_ptr()));
  EXPECT_EQ(signal_that_ends([&] { std::memset(host, 0, 512 * sizeof(double)); }), 0);
  EXPECT_EQ(signal_that_ends([&] { std::memset(host, 0, 513 * sizeof(double)); }), SIGSEGV);
}

TEST(StandInMemory, IsFoundByTheHostAtItsOtherAddress) {
  const at::Tensor tensor = on_device(random_tensor({40, 30}, 1));
  const auto* host = static_cast<const double*>(host_address(tensor[7].const_data_ptr<double>()));
  EXPECT_EQ(host[4], tensor[7][4].item<double>());
  EXPECT_EQ(host_address(nullptr), nullptr);
  EXPECT_THROW(host_address(host), c10::Error);
}

TEST(StandInMemory, IsGoneWithItsTensor) {
  at::Tensor tensor = on_device(at::ones({3}));
  const void* address = tensor.const_data_ptr();
  EXPECT_NO_THROW(host_address(address));
  tensor.reset();
  EXPECT_THROW(host_address(address), c10::Error);
  EXPECT_NE(on_device(at::ones({3})).const_data_ptr(), address);
}

TEST(StandInMemory, IsSpoiledWhenFresh) {
  const auto options = at::TensorOptions().device(stand_in_device());
  EXPECT_TRUE(at::empty({5}, options.dtype(at::kDouble)).isnan().all().item<bool>());
  EXPECT_TRUE(at::empty({5}, options.dtype(at::kFloat)).isnan().all().item<bool>());
  EXPECT_TRUE((at::empty({5}, options.dtype(at::kLong)) == -1).all().item<bool>());
}

TEST(StandInMemory, TakesCopiesOfTheHostsBuffers) {
  std::vector<float> buffer = {1, 2, 3, 4, 5, 6};
  const at::Tensor host = at::from_blob(buffer.data(), {2, 3}, at::kFloat);
  const at::Tensor device = host.to(stand_in_device());
  buffer[4] = 50;
  EXPECT_EQ(device[1][1].item<float>(), 5);
  host.copy_(device);
  EXPECT_EQ(buffer[4], 5);
  EXPECT_EQ(device.to(stand_in_device(), at::kDouble).cpu().sum().item<double>(), 21);
}

TEST(StandInMemory, IsSeenByTensorsOverIt) {
  const at::Tensor owner = on_device(random_tensor({4, 3}, 1));
  const at::Tensor part = at::from_blob(owner[1].mutable_data_ptr(), {3}, owner.options());
  part.zero_();
  EXPECT_EQ(owner[1].abs().sum().item<double>(), 0);
  EXPECT_NE(owner[2].abs().sum().item<double>(), 0);
}

TEST(StandInMixture, IsRefused) {
  const at::Tensor host = random_tensor({4, 4}, 1), device = on_device(host);
  at::Tensor number = at::scalar_tensor(2, at::kDouble);
  const at::Tensor index = at::zeros({2}, at::kLong);
  EXPECT_THROW(at::mm(device, host), c10::Error);
  EXPECT_THROW(at::mm(host, device), c10::Error);
  EXPECT_THROW(device + host, c10::Error);
  EXPECT_THROW(at::cat({device, host}), c10::Error);
  EXPECT_THROW(at::where(host > 0, device, device), c10::Error);
  EXPECT_THROW(device.index_select(0, index), c10::Error);
  EXPECT_THROW(device.index({index}), c10::Error);
  EXPECT_THROW(number.add_(device[0][0]), c10::Error);
  EXPECT_EQ(number.item<double>(), 2);
}

TEST(StandInProducts, RoundTheirFactorsWhereTf32IsAllowed) {
  // The last bit that is kept is 2^-10.
  const at::Tensor host = at::full({2, 2}, 1 + std::exp2(-10) + std::exp2(-12), at::kFloat);
  const at::Tensor kept = at::full({2, 2}, 1 + std::exp2(-10), at::kFloat), one = at::ones({2, 2});
  const at::Tensor device = on_device(host);
  EXPECT_TRUE(at::mm(device, on_device(one)).cpu().equal(at::mm(host, one)));
  at::globalContext().setAllowTF32CuBLAS(true);
  EXPECT_TRUE(at::mm(device, on_device(one)).cpu().equal(at::mm(kept, one)));
  EXPECT_TRUE(device.t().matmul(device).cpu().equal(at::mm(kept, kept)));
  EXPECT_TRUE(on_device(host).addmm_(on_device(one), device).cpu().equal(at::addmm(host, one, kept)));
  const at::Tensor twice = device.to(at::kDouble);
  EXPECT_TRUE(at::mm(twice, twice).cpu().equal(at::mm(host.to(at::kDouble), host.to(at::kDouble))));
  at::globalContext().setAllowTF32CuBLAS(false);
}

TEST(StandInUnknownView, IsRefused) {
  const at::Tensor device = on_device(random_tensor({4, 2}, 1));
  EXPECT_THROW(at::view_as_complex(device), c10::Error);
}

TEST(StandInCapture, RefusesToLookAtNumbersOrCopyThem) {
  const at::Tensor device = on_device(random_tensor({4, 4}, 1)), host = at::zeros({4, 4}, at::kDouble);
  const std::vector<std::function<void()>> forbidden = {
      [&] { device.sum().item<double>(); },
      [&] { static_cast<void>(device.cpu()); },
      [&] { static_cast<void>(host.to(stand_in_device())); },
      [&] { host.copy_(device); },
      [&] { device.copy_(host); },
      [&] { static_cast<void>(device.equal(device)); },
      [&] { static_cast<void>(at::allclose(device, device)); },
      [&] { RecordedGraph inner([] {}); },
  };
  for (const auto& steps : forbidden) EXPECT_THROW(RecordedGraph graph(steps), c10::Error);
  EXPECT_NO_THROW(device.sum().item<double>());
}

/// Adds the row of a table that a step index in memory of the device names, in operations and a kernel of its
/// own.
struct Walk {
  at::Tensor table, position, step;

  explicit Walk(at::Device device)
      : table(at::arange(40, at::kDouble).view({10, 4}).to(device)),
        position(at::ones({4}, table.options())),
        step(at::zeros({1}, table.options().dtype(at::kLong))) {}

  void take_step() {
    step.add_(1);
    const at::Tensor row = table.index_select(0, step)[0];
    run_kernel([to = position.mutable_data_ptr<double>(), from = row.const_data_ptr<double>()] {
      auto* position_of_host = static_cast<double*>(host_address(to));
      const auto* row_of_host = static_cast<const double*>(host_address(from));
      for (int k = 0; k < 4; ++k) position_of_host[k] += row_of_host[k];
    });
    position.copy_(position * 0.5);
  }
};

TEST(StandInCapture, ReplaysFourStepsAsFourEagerOnes) {
  Walk eager(stand_in_device()), replayed(stand_in_device());
  const RecordedGraph graph([&] { replayed.take_step(); });
  EXPECT_EQ(graph.size(), 5U);
  for (int k = 0; k < 4; ++k) eager.take_step();
  for (int k = 0; k < 4; ++k) graph.replay();
  EXPECT_EQ(replayed.step.item<std::int64_t>(), 4);
  EXPECT_TRUE(replayed.position.equal(eager.position));
  EXPECT_TRUE(at::allclose(eager.position.cpu(), 0.9375 * at::arange(4, at::kDouble) + 12.3125));
}

TEST(StandInCapture, DoesNothingYet) {
  Walk walk(stand_in_device());
  at::Tensor made;
  const RecordedGraph graph([&] {
    walk.take_step();
    made = walk.position + 1;
  });
  EXPECT_EQ(walk.step.item<std::int64_t>(), 0);
  EXPECT_EQ(walk.position.sum().item<double>(), 4);
  EXPECT_TRUE(made.isnan().all().item<bool>());
  graph.replay();
  EXPECT_TRUE(made.equal(walk.position + 1));
}

TEST(StandInCapture, LeavesMemoryAsItWasWhenItFails) {
  const at::Tensor device = on_device(at::ones({3}));
  EXPECT_THROW(RecordedGraph graph([&] { device.add_(1).sum().item<float>(); }), c10::Error);
  EXPECT_EQ(device.sum().item<float>(), 3);
}

TEST(StandInCapture, KeepsTheNumbersOfTheHost) {
  const at::Tensor device = on_device(at::ones({3}, at::kDouble));
  double rate = 0.5;
  at::Tensor number = at::scalar_tensor(4, at::kDouble);
  const RecordedGraph graph([&] {
    device.mul_(rate);
    device.mul_(number);
    run_kernel([rate, value = device.mutable_data_ptr<double>()] {
      static_cast<double*>(host_address(value))[0] += rate;
    });
  });
  rate = 100;
  number.fill_(100);
  graph.replay();
  EXPECT_EQ(device[0].item<double>(), 2.5);
  EXPECT_EQ(device[1].item<double>(), 2);
}

TEST(StandInCapture, DoesNotKeepMemoryFromBefore) {
  at::Tensor device = on_device(at::ones({3})), sum;
  const RecordedGraph graph([&] { sum = device.sum(); });
  EXPECT_NO_THROW(graph.replay());
  device.reset();
  EXPECT_THROW(graph.replay(), c10::Error);
}

TEST(StandInCapture, KeepsMemoryOfItsOwn) {
  const at::Tensor device = on_device(at::ones({3}, at::kDouble));
  const RecordedGraph graph([&] {
    const at::Tensor passing = device * 2;
    run_kernel([to = device.mutable_data_ptr<double>(), from = passing.const_data_ptr<double>()] {
      *static_cast<double*>(host_address(to)) = *static_cast<const double*>(host_address(from));
    });
  });
  graph.replay();
  graph.replay();
  EXPECT_EQ(device[0].item<double>(), 4);
}

TEST(StandInCapture, IsReplayedInAnotherMode) {
  const at::Tensor device = on_device(at::ones({3}));
  std::optional<RecordedGraph> graph;
  {
    const c10::InferenceMode inference;
    graph.emplace([&] { device.copy_((device + 1).narrow(0, 0, 3)); });
  }
  graph->replay();
  const c10::InferenceMode inference;
  graph->replay();
  EXPECT_EQ(device.sum().item<float>(), 9);
}

}  // namespace
}  // namespace weft
