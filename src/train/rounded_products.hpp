#pragma once

#include <ATen/Context.h>

namespace weft {

/// Whether LibTorch may round the factors of float32 products to the 10 bits of TF32, on a GPU that can, as
/// long as the object lives. One thread at a time.
class RoundedProducts {
 public:
  explicit RoundedProducts(bool rounded) : before_(at::globalContext().allowTF32CuBLAS()) { allow(rounded); }
  ~RoundedProducts() { allow(before_); }
  RoundedProducts(const RoundedProducts&) = delete;
  RoundedProducts& operator=(const RoundedProducts&) = delete;

 private:
  static void allow(bool rounded) {
    if (rounded != at::globalContext().allowTF32CuBLAS()) at::globalContext().setAllowTF32CuBLAS(rounded);
  }

  bool before_;
};

}  // namespace weft
