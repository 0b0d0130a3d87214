#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "weft/config/schema.hpp"

namespace weft {

/// The words that stand for the values of a choice in YAML.
template <typename Choice>
using Words = std::span<const std::pair<Choice, std::string_view>>;

Words<DeviceKind> words_of(DeviceKind);
Words<ConnectivityDistribution> words_of(ConnectivityDistribution);
Words<TrainingMethod> words_of(TrainingMethod);
Words<DivergencePolicy> words_of(DivergencePolicy);

/// A YAML scalar; quotes make a number a text.
struct Scalar {
  std::string text;
  bool quoted = false;
  bool null = false;  ///< nothing was written, or `~` or `null`
};

/// Puts a scalar into a key's field. Answers what is wrong with it (such as `"fast" is not a number`), or
/// nothing where the field took it; a field that refuses is unchanged.
std::optional<std::string> assign(const Key& key, Field field, const Scalar& scalar);

/// A text between quotes, as YAML reads it back, on one line whatever is in it.
std::string in_quotes(std::string_view text);
/// The same for an error, with its middle left out where it is long.
std::string excerpt(std::string_view text);
/// The value as YAML reads it back.
std::string text_of(const Key& key, const Field& field);
/// What a key takes, in words: `a number above 0`.
std::string allowed(const Key& key);
/// The type alone: `number`.
std::string type_of(const Key& key);
/// The range alone: `above 0`; empty where every value of the type will do.
std::string range_text(const Range& range);

}  // namespace weft
