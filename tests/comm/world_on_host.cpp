#include "support/mpi_main.hpp"
#include "world_under_test.hpp"

namespace weft {

Communicator& world_under_test() { return test_world(); }
bool world_adds_in_rank_order() { return true; }

}  // namespace weft
