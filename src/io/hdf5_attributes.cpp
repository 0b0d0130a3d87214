#include <algorithm>

#include "weft/core/error.hpp"
#include "weft/io/hdf5.hpp"

#include "io/hdf5_error.hpp"

namespace weft::hdf5 {
namespace {

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.id(), H5T_VARIABLE);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  return type;
}

/// 0 where HDF5 cannot tell.
std::size_t value_count(const Handle& attribute) {
  const Handle space(H5Aget_space(attribute.id()), H5Sclose);
  return static_cast<std::size_t>(std::max<hssize_t>(0, H5Sget_simple_extent_npoints(space.id())));
}

std::string read_variable_text(const Handle& attribute, const Handle& type) {
  char* text = nullptr;
  if (H5Aread(attribute.id(), type.id(), &text) < 0 || text == nullptr) return {};
  std::string copy(text);
  H5free_memory(text);
  return copy;
}

std::string read_fixed_text(const Handle& attribute, const Handle& type) {
  std::string text(H5Tget_size(type.id()), '\0');
  if (H5Aread(attribute.id(), type.id(), text.data()) < 0) return {};
  return text.substr(0, text.find('\0'));
}

}  // namespace

bool Attributes::has(const std::string& name) const { return H5Aexists(object_, name.c_str()) > 0; }

Handle Attributes::open(const std::string& name) const {
  return {check(H5Aopen(object_, name.c_str(), H5P_DEFAULT), place_, "attribute " + name + " cannot be read"),
          H5Aclose};
}

void Attributes::write_values(const std::string& name, hid_t type, std::optional<std::size_t> count,
                              const void* values) const {
  const std::string failure = "attribute " + name + " cannot be written";
  const hsize_t extent = count.value_or(1);
  const Handle space(count ? H5Screate_simple(1, &extent, nullptr) : H5Screate(H5S_SCALAR), H5Sclose);
  const Handle attribute(
      check(H5Acreate2(object_, name.c_str(), type, space.id(), H5P_DEFAULT, H5P_DEFAULT), place_, failure),
      H5Aclose);
  check(H5Awrite(attribute.id(), type, values), place_, failure);
}

void Attributes::write(const std::string& name, const std::string& text) const {
  const char* const pointer = text.c_str();
  write_values(name, text_type().id(), std::nullopt, &pointer);
}

void Attributes::write(const std::string& name, std::span<const std::string> texts) const {
  std::vector<const char*> pointers;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  write_values(name, text_type().id(), pointers.size(), pointers.data());
}

std::size_t Attributes::number_count(const std::string& name) const {
  const Handle attribute = open(name);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose);
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) {
    throw UserError(
        {place_, "attribute " + name + " is not a number", "a number", "write it again as a number"});
  }
  return value_count(attribute);
}

void Attributes::read_values(const std::string& name, hid_t type, void* values) const {
  check(H5Aread(open(name).id(), type, values), place_, "attribute " + name + " cannot be read");
}

std::string Attributes::read_text(const std::string& name) const {
  if (!has(name)) return {};
  const Handle attribute = open(name);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose);
  if (H5Tget_class(type.id()) != H5T_STRING || value_count(attribute) != 1) return {};
  const bool variable = H5Tis_variable_str(type.id()) > 0;
  return variable ? read_variable_text(attribute, type) : read_fixed_text(attribute, type);
}

}  // namespace weft::hdf5
