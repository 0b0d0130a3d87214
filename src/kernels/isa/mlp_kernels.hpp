#pragma once

#include "weft/kernels/mlp_kernels.hpp"

// The MLP kernels once for each instruction set; mlp_kernels.cpp chooses.
#define WEFT_DECLARE_MLP_KERNELS(isa, T)                                                                  \
  namespace weft::isa {                                                                                   \
  void mlp_forward(const T* parameters, std::int64_t inputs, const T* input, std::int64_t rows, T* first, \
                   T* second, T* output);                                                                 \
  void mlp_backward(const T* parameters, std::int64_t inputs, const T* input, const T* first,             \
                    const T* second, const T* output_gradient, std::int64_t rows, T* gradient,            \
                    T* first_gradient);                                                                   \
  }

WEFT_DECLARE_MLP_KERNELS(avx2, float)
WEFT_DECLARE_MLP_KERNELS(avx2, double)
WEFT_DECLARE_MLP_KERNELS(avx512, float)
WEFT_DECLARE_MLP_KERNELS(avx512, double)

#undef WEFT_DECLARE_MLP_KERNELS
