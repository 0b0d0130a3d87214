#include "weft/io/hdf5.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"
#include "weft/io/files.hpp"

#include "io/hdf5_error.hpp"

namespace weft::hdf5 {
namespace fs = std::filesystem;
namespace {

/// The 1.8 format knows attributes beyond 64 KB, and unlike the newest leaves no mark in a file whose writer
/// was killed.
Handle access_properties() {
  Handle properties(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_libver_bounds(properties.id(), H5F_LIBVER_V18, H5F_LIBVER_V110);
  H5Pset_fclose_degree(properties.id(), H5F_CLOSE_STRONG);
  return properties;
}

/// Without a buffer of HDF5's own, a write that fails is reported by the write and not when a dataset is
/// closed.
Handle writing_properties() {
  Handle properties = access_properties();
  H5Pset_sieve_buf_size(properties.id(), 0);
  return properties;
}

/// The library's own descriptor of an open file.
int* descriptor(hid_t file) {
  void* pointer = nullptr;
  return H5Fget_vfd_handle(file, H5P_DEFAULT, &pointer) < 0 ? nullptr : static_cast<int*>(pointer);
}

/// What is left to write goes to memory, and away: the way to close a file for which the disk has no room.
void divert_to_memory(hid_t file) {
  int* const own = descriptor(file);
  const int scratch = memfd_create("weft", MFD_CLOEXEC);
  if (own != nullptr && scratch >= 0) dup2(scratch, *own);
  if (scratch >= 0) ::close(scratch);
}

/// Takes the disk space of the whole file as it will be, where the file system can do so. Returns errno where
/// there is too little, or 0.
int take_space(hid_t file) {
  hsize_t bytes = 0;
  const int* const own = descriptor(file);
  if (own == nullptr || H5Fget_filesize(file, &bytes) < 0) return 0;
  if (::fallocate(*own, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0) return 0;
  const bool too_little = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
  return too_little ? errno : 0;
}

Handle simple_space(const Shape& shape) {
  const std::vector<hsize_t> extent(shape.begin(), shape.end());
  return {H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose};
}

Handle contiguous_layout() {
  Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_layout(properties.id(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(properties.id(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(properties.id(), H5D_FILL_TIME_NEVER);
  return properties;
}

Handle virtual_layout(const Shape& shape, std::span<const VirtualSource> sources) {
  Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const float missing = std::numeric_limits<float>::quiet_NaN();
  H5Pset_fill_value(properties.id(), H5T_NATIVE_FLOAT, &missing);
  for (const VirtualSource& source : sources) {
    const Handle placed = simple_space(shape);
    const std::vector<hsize_t> start(source.start.begin(), source.start.end());
    const std::vector<hsize_t> count(source.shape.begin(), source.shape.end());
    H5Sselect_hyperslab(placed.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
    check(H5Pset_virtual(properties.id(), placed.id(), source.file.c_str(), source.dataset.c_str(),
                         simple_space(source.shape).id()),
          source.file, "cannot be the source of a virtual dataset");
  }
  return properties;
}

bool is_dataset(hid_t file, const char* name) {
  const Handle object(H5Oopen(file, name, H5P_DEFAULT), H5Oclose);
  return object.id() >= 0 && H5Iget_type(object.id()) == H5I_DATASET;
}

herr_t collect_datasets(hid_t group, const char* name, const H5L_info_t*, void* names) {
  if (is_dataset(group, name)) static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

}  // namespace

template <>
hid_t native_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native_type<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t native_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}

Handle::Handle(Handle&& other) noexcept
    : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  reset();
  id_ = std::exchange(other.id_, H5I_INVALID_HID);
  close_ = other.close_;
  return *this;
}

void Handle::reset() {
  if (id_ >= 0) close_(id_);
  id_ = H5I_INVALID_HID;
}

File File::create(const fs::path& path) {
  prepare_library();
  const Handle properties = writing_properties();
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, properties.id());
  return {path, {check(id, path.string(), "cannot be made"), H5Fclose}};
}

File File::open(const fs::path& path) { return open(path, H5F_ACC_RDONLY, access_properties()); }

File File::open_for_update(const fs::path& path) { return open(path, H5F_ACC_RDWR, writing_properties()); }

File File::open(const fs::path& path, unsigned mode, const Handle& properties) {
  prepare_library();
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    throw UserError({path.string(), "a folder", "an HDF5 file", "name a file in it"});
  }
  const hid_t id = H5Fopen(path.c_str(), mode, properties.id());
  return {path, {check(id, path.string(), "cannot be opened"), H5Fclose}};
}

bool File::has_dataset(const std::string& name) const {
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    if (H5Lexists(handle_.id(), name.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
    if (end == name.npos) return is_dataset(handle_.id(), name.c_str());
  }
}

Dataset File::dataset(const std::string& name) const {
  const std::string place = fmt::format("{}:{}", path_.string(), name);
  if (!has_dataset(name)) {
    throw UserError(
        {path_.string(), "no dataset " + name, "", "see docs/file-formats.md for what the file must hold"});
  }
  return {{check(H5Dopen2(handle_.id(), name.c_str(), H5P_DEFAULT), place, "cannot be opened"), H5Dclose},
          place};
}

std::vector<std::string> File::dataset_names() const {
  std::vector<std::string> names;
  check(H5Lvisit(handle_.id(), H5_INDEX_NAME, H5_ITER_NATIVE, collect_datasets, &names), path_.string(),
        "its contents cannot be listed");
  std::sort(names.begin(), names.end());
  return names;
}

Dataset File::create_contiguous(const std::string& name, hid_t type, const Shape& shape) const {
  return create(name, type, shape, contiguous_layout());
}

Dataset File::create_virtual_dataset(const std::string& name, const Shape& shape,
                                     std::span<const VirtualSource> sources) const {
  return create(name, H5T_NATIVE_FLOAT, shape, virtual_layout(shape, sources));
}

Dataset File::create(const std::string& name, hid_t type, const Shape& shape,
                     const Handle& properties) const {
  const std::string place = fmt::format("{}:{}", path_.string(), name);
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const hid_t id = H5Dcreate2(handle_.id(), name.c_str(), type, simple_space(shape).id(), links.id(),
                              properties.id(), H5P_DEFAULT);
  return {{check(id, place, "cannot be made"), H5Dclose}, place};
}

void File::reserve_space() const {
  if (const int code = take_space(handle_.id())) throw_file_error(path_, "no room for it", code);
}

void File::flush() const {
  const InSection writing(Section::checkpoint);
  reserve_space();
  check(H5Fflush(handle_.id(), H5F_SCOPE_LOCAL), path_.string(), "cannot be written");
  sync_to_disk(path_);
}

void File::close() {
  const InSection writing(Section::checkpoint);
  reserve_space();
  check(H5Fclose(handle_.release()), path_.string(), "cannot be closed");
  sync_to_disk(path_);
}

void File::discard() noexcept {
  if (handle_.id() < 0) return;
  // HDF5 cannot close a file whose last writes fail, so it must not come to that.
  if (take_space(handle_.id()) != 0) divert_to_memory(handle_.id());
  handle_.reset();
}

std::string library_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace weft::hdf5
