#include "support/mpi_main.hpp"
#include "world_under_test.hpp"

namespace weft {

Communicator& world_under_test() { return test_world(); }

}  // namespace weft
