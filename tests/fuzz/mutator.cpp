#include "mutator.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <random>

namespace weft::fuzz {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

constexpr std::array<std::int64_t, 24> kIntegers{0,
                                                 1,
                                                 2,
                                                 3,
                                                 4,
                                                 7,
                                                 8,
                                                 16,
                                                 64,
                                                 127,
                                                 128,
                                                 255,
                                                 256,
                                                 32767,
                                                 65535,
                                                 65536,
                                                 1 << 24,
                                                 0x7fffffff,
                                                 0x80000000,
                                                 0xffffffff,
                                                 -1,
                                                 -2,
                                                 std::int64_t{1} << 62,
                                                 std::numeric_limits<std::int64_t>::min()};

constexpr std::array<std::string_view, 16> kNumbers{"0",
                                                    "-1",
                                                    "1",
                                                    "255",
                                                    "65536",
                                                    "2147483648",
                                                    "4294967296",
                                                    "9223372036854775807",
                                                    "-9223372036854775808",
                                                    "9223372036854775808",
                                                    "18446744073709551616",
                                                    "1e12",
                                                    "1e308",
                                                    "1e999",
                                                    "-0.0",
                                                    "0.5"};

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

struct Block {
  std::size_t begin, end;
};

/// Somewhere in `bytes`; short ones are as likely as long ones.
Block some_block(Random& random, const Bytes& bytes) {
  const std::size_t begin = below(random, bytes.size() + 1);
  const std::size_t most = std::size_t{1} << below(random, 13);
  return {begin, std::min(bytes.size(), begin + 1 + below(random, most))};
}

Bytes copy_of(const Bytes& bytes, Block block) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(block.begin),
          bytes.begin() + static_cast<std::ptrdiff_t>(block.end)};
}

void replace(Bytes& bytes, Block block, View by) {
  const auto at = bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(block.begin),
                              bytes.begin() + static_cast<std::ptrdiff_t>(block.end));
  bytes.insert(at, by.begin(), by.end());
}

void insert(Bytes& bytes, std::size_t at, View what) { replace(bytes, {at, at}, what); }

void overwrite(Bytes& bytes, std::size_t at, View by) {
  if (by.size() > bytes.size()) return;
  std::copy(by.begin(), by.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at, bytes.size() - by.size())));
}

struct Material {
  Random& random;
  const std::vector<Bytes>& seeds;
  const std::vector<Bytes>& words;
};

using Mutation = void (*)(Bytes&, Material&);

void flip_bit(Bytes& bytes, Material& m) {
  if (!bytes.empty()) bytes[below(m.random, bytes.size())] ^= std::byte{1} << below(m.random, 8);
}

void set_byte(Bytes& bytes, Material& m) {
  if (!bytes.empty()) bytes[below(m.random, bytes.size())] = static_cast<std::byte>(m.random());
}

void truncate(Bytes& bytes, Material& m) { bytes.resize(below(m.random, bytes.size() + 1)); }

void erase_block(Bytes& bytes, Material& m) { replace(bytes, some_block(m.random, bytes), {}); }

void copy_block(Bytes& bytes, Material& m) {
  overwrite(bytes, below(m.random, bytes.size() + 1), copy_of(bytes, some_block(m.random, bytes)));
}

void insert_block(Bytes& bytes, Material& m) {
  insert(bytes, below(m.random, bytes.size() + 1), copy_of(bytes, some_block(m.random, bytes)));
}

/// Deep nesting and long lists.
void repeat_block(Bytes& bytes, Material& m) {
  Block block = some_block(m.random, bytes);
  block.end = std::min(block.end, block.begin + 16);
  const Bytes once = copy_of(bytes, block);
  const std::size_t times = std::size_t{1} << below(m.random, 17);
  Bytes many;
  for (std::size_t i = 0; i < times && many.size() < kMostBytes; ++i)
    many.insert(many.end(), once.begin(), once.end());
  insert(bytes, block.end, many);
}

void splice(Bytes& bytes, Material& m) {
  const Bytes& other = m.seeds[below(m.random, m.seeds.size())];
  bytes.resize(below(m.random, bytes.size() + 1));
  const Bytes rest = copy_of(other, {below(m.random, other.size() + 1), other.size()});
  bytes.insert(bytes.end(), rest.begin(), rest.end());
}

void set_integer(Bytes& bytes, Material& m) {
  const std::int64_t value = kIntegers[below(m.random, kIntegers.size())];
  const std::size_t width = std::size_t{1} << below(m.random, 4);
  const std::size_t at = below(m.random, bytes.size() + 1);
  overwrite(bytes, at, std::as_bytes(std::span(&value, 1)).first(width));  // little-endian, as HDF5 has it
}

/// Another number for one that is written in digits.
void set_number(Bytes& bytes, Material& m) {
  const auto is_digit = [](std::byte b) { return std::isdigit(std::to_integer<int>(b)) != 0; };
  const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(below(m.random, bytes.size() + 1));
  const auto first = std::find_if(from, bytes.end(), is_digit);
  const auto last = std::find_if_not(first, bytes.end(), is_digit);
  const View number = bytes_of(kNumbers[below(m.random, kNumbers.size())]);
  replace(bytes,
          {static_cast<std::size_t>(first - bytes.begin()), static_cast<std::size_t>(last - bytes.begin())},
          number);
}

void insert_word(Bytes& bytes, Material& m) {
  insert(bytes, below(m.random, bytes.size() + 1), m.words[below(m.random, m.words.size())]);
}

void overwrite_by_word(Bytes& bytes, Material& m) {
  overwrite(bytes, below(m.random, bytes.size() + 1), m.words[below(m.random, m.words.size())]);
}

constexpr std::array<Mutation, 12> kMutations{flip_bit,    set_byte,     truncate,     erase_block,
                                              copy_block,  insert_block, repeat_block, splice,
                                              set_integer, set_number,   insert_word,  overwrite_by_word};

}  // namespace

Mutator::Mutator(const Target& target, std::uint64_t seed) : seed_(seed), seeds_(target.seeds()) {
  for (const std::string& word : target.words()) {
    const View bytes = bytes_of(word);
    words_.emplace_back(bytes.begin(), bytes.end());
  }
}

Bytes Mutator::input(std::int64_t number) const {
  if (number < std::ssize(seeds_)) return seeds_[static_cast<std::size_t>(number)];
  std::seed_seq keys{seed_, seed_ >> 32, static_cast<std::uint64_t>(number),
                     static_cast<std::uint64_t>(number) >> 32};
  Random random(keys);
  Material material{random, seeds_, words_};
  Bytes bytes = seeds_[below(random, seeds_.size())];
  for (std::size_t left = std::size_t{1} << below(random, 5); left > 0; --left) {
    kMutations[below(random, kMutations.size())](bytes, material);
    bytes.resize(std::min(bytes.size(), kMostBytes));
  }
  return bytes;
}

}  // namespace weft::fuzz
