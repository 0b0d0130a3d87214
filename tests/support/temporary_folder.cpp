#include "support/temporary_folder.hpp"

#include <cstdlib>
#include <exception>
#include <string>
#include <system_error>

#include "weft/core/error.hpp"

namespace weft {
namespace {

std::string make_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string();
  require(mkdtemp(name.data()) != nullptr, "a temporary folder cannot be made: " + name);
  return name;
}

std::string make_shared_folder(Communicator& group) {
  std::string name;
  collectively(group, [&] {
    if (group.rank() == 0) name = make_folder();
  });
  return broadcast_text(group, name);
}

}  // namespace

TemporaryFolder::TemporaryFolder() : group_(make_self_communicator()), path_(make_folder()) {}

// A group of its own: a barrier at the end then meets only barriers, also when a rank left the test early.
TemporaryFolder::TemporaryFolder(Communicator& group)
    : group_(group.split(0)), path_(make_shared_folder(*group_)) {}

TemporaryFolder::~TemporaryFolder() {
  // A rank that left by an exception does not wait: its failure must be reported, and the others may never
  // come.
  if (std::uncaught_exceptions() == 0) group_->barrier();
  std::error_code ignored;
  if (group_->rank() == 0) std::filesystem::remove_all(path_, ignored);
}

}  // namespace weft
