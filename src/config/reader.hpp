#pragma once

#include <string>

#include "weft/config/config.hpp"

namespace weft {

/// Reads one YAML text into `config`, whose values stay where the text names no key.
/// @param origin  stands for the file's name in errors.
/// @throws UserError as load_config.
void read_document(const std::string& yaml, const std::string& origin, Config& config);

/// Applies one `key.path=value`, whose value is YAML.
/// @throws UserError as load_config.
void read_override(const std::string& text, Config& config);

}  // namespace weft
