#include "support/device_under_test.hpp"
#include "support/host.hpp"
#include "support/mpi_main.hpp"

namespace weft {

Device& device_under_test() { return host(); }
Communicator& device_world() { return test_world(); }

}  // namespace weft
