#include "weft/core/main_thread.hpp"

#include <thread>

namespace weft {
namespace {

const std::thread::id main_thread = std::this_thread::get_id();  // static objects are made by it

}  // namespace

bool on_main_thread() { return std::this_thread::get_id() == main_thread; }

}  // namespace weft
