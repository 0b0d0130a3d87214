#include "weft/config/config.hpp"
#include "weft/core/error.hpp"

namespace weft {

std::string stage_name(Stage stage) {
  switch (stage) {
    case Stage::simulate:
      return "simulate";
    case Stage::train:
      return "train";
    case Stage::evaluate:
      return "evaluate";
    case Stage::report:
      return "report";
  }
  throw InternalError("an unknown stage");
}

}  // namespace weft
