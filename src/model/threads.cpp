#include "weft/model/threads.hpp"

#include <omp.h>

#include <ATen/Parallel.h>

namespace weft {

void set_threads(int threads) {
  at::set_num_threads(threads);
  omp_set_num_threads(threads);
}

}  // namespace weft
