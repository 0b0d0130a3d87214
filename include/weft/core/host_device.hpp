#pragma once

/// Marks a function that the host and a GPU run alike: arithmetic and indices that both kinds of kernels
/// share.
#if defined(__CUDACC__)
#define WEFT_HOST_DEVICE __host__ __device__
#else
#define WEFT_HOST_DEVICE
#endif
