#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hdf5.h>

/// A small wrapper over the serial HDF5 library: files, datasets and attributes that close themselves, and
/// errors as UserError with the file and the object in it. Everything is local; the library is not safe for
/// threads.
namespace weft::hdf5 {

using Shape = std::vector<std::int64_t>;

/// "(4000, 1000)"
std::string text_of(const Shape& shape);
/// Whether an array of this shape has at most so many elements, however large its extents.
bool holds_at_most(const Shape& shape, std::int64_t most);

template <typename T>
concept Number = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>;

/// HDF5's type of a number in memory and, as we write them, in files.
template <Number T>
hid_t native_type();
template <>
hid_t native_type<float>();
template <>
hid_t native_type<double>();
template <>
hid_t native_type<std::int64_t>();

/// An HDF5 identifier, closed by its own function.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle() { reset(); }

  hid_t id() const { return id_; }
  void reset();
  /// Gives the identifier away, to be closed by the caller.
  hid_t release() { return std::exchange(id_, H5I_INVALID_HID); }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

/// The attributes of a file (its root group) or of a dataset.
class Attributes {
 public:
  /// `place` names the object in errors. The object must stay open.
  Attributes(hid_t object, std::string place) : object_(object), place_(std::move(place)) {}

  bool has(const std::string& name) const;
  template <Number T>
  void write(const std::string& name, T value) const {
    write_values(name, native_type<T>(), std::nullopt, &value);
  }
  template <Number T>
  void write(const std::string& name, std::span<const T> values) const {
    write_values(name, native_type<T>(), values.size(), values.data());
  }
  /// UTF-8 of variable length, which h5py and MATLAB give back as text.
  void write(const std::string& name, const std::string& text) const;
  void write(const std::string& name, std::span<const std::string> texts) const;

  /// All values of a numeric attribute, whatever its shape. @throws UserError where they are no numbers.
  template <Number T>
  std::vector<T> read(const std::string& name) const {
    std::vector<T> values(number_count(name));
    read_values(name, native_type<T>(), values.data());
    return values;
  }
  /// The text of an attribute; empty where there is none of that name or it is not one text.
  std::string read_text(const std::string& name) const;

 private:
  /// Without `count`: a scalar.
  void write_values(const std::string& name, hid_t type, std::optional<std::size_t> count,
                    const void* values) const;
  std::size_t number_count(const std::string& name) const;
  void read_values(const std::string& name, hid_t type, void* values) const;
  Handle open(const std::string& name) const;

  hid_t object_;
  std::string place_;
};

/// The part of a virtual dataset that a dataset of another file fills, put at `start`.
struct VirtualSource {
  std::string file;  ///< relative to the folder of the virtual dataset's file
  std::string dataset;
  Shape start;
  Shape shape;  ///< of the source; empty, on reading, where only a part of the source is shown
};

/// A dataset of an open file; closes with it.
class Dataset {
 public:
  Dataset(Handle handle, std::string place) : handle_(std::move(handle)), place_(std::move(place)) {}

  /// File and name, for errors.
  const std::string& place() const { return place_; }
  Attributes attributes() const { return {handle_.id(), place_}; }
  Shape shape() const;
  /// Whole or floating-point numbers, of up to 16 bytes.
  bool holds_numbers() const;
  /// Goes through the whole index of a dataset in chunks. @throws UserError where it is damaged.
  void find_chunks() const;
  /// The datasets of other files behind a virtual dataset; none for a real one.
  std::vector<VirtualSource> sources() const;

  /// The block of `count` elements a dimension from `start`, row-major. Large blocks go in parts.
  /// @throws UserError, InternalError where values and block differ in size or the block lies outside.
  template <Number T>
  void write(const Shape& start, const Shape& count, std::span<const T> values) const {
    write_block(start, count, native_type<T>(), values.data(), values.size());
  }
  template <Number T>
  void read(const Shape& start, const Shape& count, std::span<T> values) const {
    read_block(start, count, native_type<T>(), values.data(), values.size());
  }
  /// All of it, converted to T.
  template <Number T>
  std::vector<T> read_all() const {
    std::vector<T> values(size());
    read(Shape(shape().size(), 0), shape(), std::span<T>(values));
    return values;
  }

 private:
  std::size_t size() const;
  void write_block(const Shape& start, const Shape& count, hid_t type, const void* values,
                   std::size_t size) const;
  void read_block(const Shape& start, const Shape& count, hid_t type, void* values, std::size_t size) const;

  Handle handle_;
  std::string place_;
};

/// An HDF5 file. What it opens must not be used after it.
class File {
 public:
  /// An empty file for writing, in the place of any of that name. @throws UserError
  static File create(const std::filesystem::path& path);
  /// For reading. @throws UserError for a missing, foreign, truncated or locked file.
  static File open(const std::filesystem::path& path);
  /// For writing into the datasets that it has. @throws UserError as open().
  static File open_for_update(const std::filesystem::path& path);
  /// Closes without a word; call close() to hear of a failure.
  ~File() { discard(); }
  File(File&&) noexcept = default;
  File& operator=(File&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  Attributes attributes() const { return {handle_.id(), path_.string()}; }

  bool has_dataset(const std::string& name) const;
  /// @throws UserError where there is none of that name.
  Dataset dataset(const std::string& name) const;
  /// Of all groups, with their paths but without the leading slash, sorted.
  std::vector<std::string> dataset_names() const;

  /// A contiguous dataset of file type T; makes the groups of its path. @throws UserError
  template <Number T>
  Dataset create_dataset(const std::string& name, const Shape& shape) const {
    return create_contiguous(name, native_type<T>(), shape);
  }
  /// A float32 dataset that shows those of other files. Where one of these is missing, readers see NaN.
  /// @throws UserError
  Dataset create_virtual_dataset(const std::string& name, const Shape& shape,
                                 std::span<const VirtualSource> sources) const;

  /// Takes the disk space of all datasets made so far, where the file system can: a disk that is too small is
  /// found before the work, not after it. @throws UserError
  void reserve_space() const;
  /// Writes everything to the disk: whatever happens to the program, what the file holds now can be read.
  /// @throws UserError
  void flush() const;
  /// As flush(), and closes. @throws UserError
  void close();

 private:
  File(std::filesystem::path path, Handle handle) : path_(std::move(path)), handle_(std::move(handle)) {}
  static File open(const std::filesystem::path& path, unsigned mode, const Handle& properties);
  Dataset create_contiguous(const std::string& name, hid_t type, const Shape& shape) const;
  Dataset create(const std::string& name, hid_t type, const Shape& shape, const Handle& properties) const;
  void discard() noexcept;

  std::filesystem::path path_;
  Handle handle_;
};

/// The version of the HDF5 library in use, such as "1.10.8".
std::string library_version();

}  // namespace weft::hdf5
