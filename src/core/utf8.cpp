#include "weft/core/utf8.hpp"

#include <nlohmann/json.hpp>

namespace weft {

std::string as_utf8(const std::string& text) {
  using nlohmann::json;
  const std::string quoted = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  return json::parse(quoted).get<std::string>();
}

}  // namespace weft
