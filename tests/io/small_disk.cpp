#include "small_disk.hpp"

#include <string>

#include <sys/mount.h>

namespace weft {

SmallDisk::SmallDisk(std::size_t bytes) {
  const std::string size = "size=" + std::to_string(bytes);
  mounted_ = ::mount("none", path().c_str(), "tmpfs", 0, size.c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount(path().c_str());
}

}  // namespace weft
