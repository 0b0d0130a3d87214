#pragma once

#include <cstdint>
#include <cstring>

// For the files that are compiled once for each instruction set.
namespace weft::WEFT_ISA {

/// A register's worth of T. Loads go through memcpy, since rows of x need not be aligned.
template <typename T>
struct Vector {
  static constexpr std::int64_t lanes = WEFT_VECTOR_BYTES / sizeof(T);
  typedef T Register __attribute__((vector_size(WEFT_VECTOR_BYTES)));

  static Register load(const T* from) {
    Register value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static Register load_part(const T* from, std::int64_t count) {
    Register value{};
    std::memcpy(&value, from, static_cast<std::size_t>(count) * sizeof(T));
    return value;
  }
  static void store(T* to, Register value) { std::memcpy(to, &value, sizeof value); }
  static void store_part(T* to, Register value, std::int64_t count) {
    std::memcpy(to, &value, static_cast<std::size_t>(count) * sizeof(T));
  }
  static T sum(Register value) {
    T total = 0;
    for (std::int64_t lane = 0; lane < lanes; ++lane) total += value[lane];
    return total;
  }
};

}  // namespace weft::WEFT_ISA
