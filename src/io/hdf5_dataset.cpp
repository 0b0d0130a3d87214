#include <algorithm>
#include <functional>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"
#include "weft/io/hdf5.hpp"

#include "io/hdf5_error.hpp"

namespace weft::hdf5 {
namespace {

/// Reads and writes go in parts of about this size, so that HDF5's own buffers stay small.
constexpr std::int64_t kPartBytes = std::int64_t{64} << 20;

std::size_t product(const Shape& shape) {
  return static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<std::int64_t>()));
}

std::vector<hsize_t> unsigned_extent(const Shape& shape) { return {shape.begin(), shape.end()}; }

bool lies_inside(const Shape& start, const Shape& count, const Shape& shape) {
  if (start.size() != shape.size() || count.size() != shape.size()) return false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (start[axis] < 0 || count[axis] < 0 || start[axis] + count[axis] > shape[axis]) return false;
  }
  return true;
}

/// A block in the file and the same elements, packed, in memory.
struct Selection {
  Selection(hid_t dataset, const Shape& start, const Shape& count)
      : file(H5Dget_space(dataset), H5Sclose),
        memory(H5Screate_simple(static_cast<int>(count.size()), unsigned_extent(count).data(), nullptr),
               H5Sclose) {
    H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, unsigned_extent(start).data(), nullptr,
                        unsigned_extent(count).data(), nullptr);
  }
  Handle file;
  Handle memory;
};

/// Calls `transfer(selection, first element)` for parts of the block along its first axis.
void for_parts(hid_t dataset, Shape start, Shape count, std::size_t item_bytes,
               const std::function<void(const Selection&, std::size_t)>& transfer) {
  if (count.empty()) return transfer({dataset, start, count}, 0);
  const std::int64_t rows = count[0];
  count[0] = 1;
  const std::size_t row_size = product(count);
  const std::int64_t row_bytes = static_cast<std::int64_t>(std::max<std::size_t>(1, row_size * item_bytes));
  const std::int64_t part_rows = std::max<std::int64_t>(1, kPartBytes / row_bytes);
  const std::int64_t first = start[0];
  for (std::int64_t row = 0; row < rows; row += part_rows) {
    start[0] = first + row;
    count[0] = std::min(part_rows, rows - row);
    transfer({dataset, start, count}, static_cast<std::size_t>(row) * row_size);
  }
}

Shape extent_of(const Handle& space) {
  const int rank = H5Sget_simple_extent_ndims(space.id());
  std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 0)));
  H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr);
  return {extent.begin(), extent.end()};
}

/// Start and shape of the block that is selected in a space.
std::pair<Shape, Shape> selected_block(const Handle& space) {
  std::vector<hsize_t> low(extent_of(space).size());
  std::vector<hsize_t> high(low.size());
  H5Sget_select_bounds(space.id(), low.data(), high.data());
  Shape shape;
  for (std::size_t axis = 0; axis < low.size(); ++axis) {
    shape.push_back(static_cast<std::int64_t>(high[axis] - low[axis] + 1));
  }
  return {Shape(low.begin(), low.end()), shape};
}

/// The text that `get(buffer, size)` gives, where `get(nullptr, 0)` gives its length.
std::string text_of(const std::function<ssize_t(char*, std::size_t)>& get) {
  std::string text(static_cast<std::size_t>(std::max<ssize_t>(0, get(nullptr, 0))), '\0');
  get(text.data(), text.size() + 1);
  return text;
}

}  // namespace

std::string text_of(const Shape& shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

bool holds_at_most(const Shape& shape, std::int64_t most) {
  if (std::ranges::find(shape, 0) != shape.end()) return true;
  std::int64_t room = most;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || extent > room) return false;
    room /= extent;
  }
  return true;
}

Shape Dataset::shape() const { return extent_of({H5Dget_space(handle_.id()), H5Sclose}); }

std::size_t Dataset::size() const { return product(shape()); }

bool Dataset::holds_numbers() const {
  const Handle type(H5Dget_type(handle_.id()), H5Tclose);
  const H5T_class_t kind = H5Tget_class(type.id());
  constexpr std::size_t kWidest = 16;
  return (kind == H5T_INTEGER || kind == H5T_FLOAT) && H5Tget_size(type.id()) <= kWidest;
}

void Dataset::find_chunks() const {
  const Handle properties(H5Dget_create_plist(handle_.id()), H5Pclose);
  if (H5Pget_layout(properties.id()) != H5D_CHUNKED) return;
  const Handle space(H5Dget_space(handle_.id()), H5Sclose);
  hsize_t count = 0;
  check(H5Dget_num_chunks(handle_.id(), space.id(), &count), place_, "its chunks cannot be found");
}

std::vector<VirtualSource> Dataset::sources() const {
  const Handle properties(H5Dget_create_plist(handle_.id()), H5Pclose);
  if (H5Pget_layout(properties.id()) != H5D_VIRTUAL) return {};
  std::size_t count = 0;
  check(H5Pget_virtual_count(properties.id(), &count), place_, "its sources cannot be read");
  std::vector<VirtualSource> all;
  for (std::size_t i = 0; i < count; ++i) {
    const auto file = [&](char* text, std::size_t size) {
      return H5Pget_virtual_filename(properties.id(), i, text, size);
    };
    const auto name = [&](char* text, std::size_t size) {
      return H5Pget_virtual_dsetname(properties.id(), i, text, size);
    };
    const Handle placed(H5Pget_virtual_vspace(properties.id(), i), H5Sclose);
    const Handle source(H5Pget_virtual_srcspace(properties.id(), i), H5Sclose);
    // A file read back does not know the extent of a source that is taken whole; the place it fills has it.
    auto [start, shape] = selected_block(placed);
    if (H5Sget_select_type(source.id()) != H5S_SEL_ALL) shape.clear();
    all.push_back({text_of(file), text_of(name), start, shape});
  }
  return all;
}

void Dataset::write_block(const Shape& start, const Shape& count, hid_t type, const void* values,
                          std::size_t size) const {
  require(lies_inside(start, count, shape()) && product(count) == size,
          "a block that does not fit " + place_);
  const std::size_t bytes = H5Tget_size(type);
  for_parts(handle_.id(), start, count, bytes, [&](const Selection& block, std::size_t first) {
    const void* const part = static_cast<const char*>(values) + first * bytes;
    check(H5Dwrite(handle_.id(), type, block.memory.id(), block.file.id(), H5P_DEFAULT, part), place_,
          "cannot be written");
  });
}

void Dataset::read_block(const Shape& start, const Shape& count, hid_t type, void* values,
                         std::size_t size) const {
  const InSection reading(Section::read);
  require(lies_inside(start, count, shape()) && product(count) == size,
          "a block that does not fit " + place_);
  const std::size_t bytes = H5Tget_size(type);
  for_parts(handle_.id(), start, count, bytes, [&](const Selection& block, std::size_t first) {
    void* const part = static_cast<char*>(values) + first * bytes;
    check(H5Dread(handle_.id(), type, block.memory.id(), block.file.id(), H5P_DEFAULT, part), place_,
          "cannot be read");
  });
}

}  // namespace weft::hdf5
