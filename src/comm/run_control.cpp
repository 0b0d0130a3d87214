#include "weft/comm/run_control.hpp"

#include "weft/comm/sums.hpp"

namespace weft {

Wish ask(RunControl& control, Communicator& world) {
  auto numbers = control.votes().numbers();
  sum_over(world, std::span<double>(numbers));
  return control.decide(Votes::of(numbers));
}

}  // namespace weft
