#pragma once

#include <string>

namespace weft {

/// The name of this machine; "unknown" where the system does not tell. Local.
std::string host_name();

}  // namespace weft
