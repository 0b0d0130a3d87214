#include "support/device_under_test.hpp"

#include "weft/model/tensor_kernels.hpp"

#include "support/mpi_main.hpp"

namespace weft {

// Neither is ever destroyed: MPI and CUDA end before statics do.

Device& device_under_test() {
  static Device* const device = [] {
    Device* const opened = open_device_under_test().release();
    serve_tensors(*opened);
    return opened;
  }();
  return *device;
}

Communicator& device_world() {
  static Communicator* const world = device_under_test().connect(test_world().split(0)).release();
  return *world;
}

}  // namespace weft
