#include "field.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

template <typename T>
constexpr bool is_choice = std::is_enum_v<T>;

using Fault = std::optional<std::string>;

std::string_view without_plus(std::string_view text) {
  return text.size() > 1 && text[0] == '+' && text[1] != '-' ? text.substr(1) : text;
}

/// A number only if the whole text is one.
template <typename T>
std::optional<T> parse_all(std::string_view text) {
  text = without_plus(text);
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Fault take_real(const Range& range, const Scalar& scalar, double& target) {
  const auto value = parse_all<double>(scalar.text);
  if (!value || scalar.quoted) return fmt::format("{} is not a number", excerpt(scalar.text));
  if (!std::isfinite(*value)) return fmt::format("{} is not a finite number", scalar.text);
  if (!range.contains(*value)) return fmt::format("{} is out of range", scalar.text);
  target = *value + 0.0;  // -0 becomes 0, so that equal values have equal hashes
  return std::nullopt;
}

/// Accepts 20000, 2e4 and 20000.0; beyond 2^53 digits only, since a double no longer holds every whole number
/// there.
template <typename T>
Fault take_whole(const Range& range, const Scalar& scalar, T& target) {
  constexpr double exact = 9007199254740992.0;
  const auto real = parse_all<double>(scalar.text);
  if (!real || scalar.quoted || *real != std::trunc(*real)) {
    return fmt::format("{} is not a whole number", excerpt(scalar.text));
  }
  if (!std::isfinite(*real)) return fmt::format("{} is not a finite number", scalar.text);
  const auto whole = parse_all<T>(scalar.text);
  if (!range.contains(*real) || (!whole && std::abs(*real) > exact)) {
    return fmt::format("{} is out of range", scalar.text);
  }
  target = whole ? *whole : static_cast<T>(*real);
  return std::nullopt;
}

template <typename Choice>
Fault take_choice(const Scalar& scalar, Choice& target) {
  for (const auto& [value, word] : words_of(Choice{})) {
    if (scalar.text != word) continue;
    target = value;
    return std::nullopt;
  }
  return fmt::format("{} is none of them", excerpt(scalar.text));
}

Fault take_yes_or_no(const Scalar& scalar, bool& target) {
  if (scalar.quoted || (scalar.text != "true" && scalar.text != "false"))
    return fmt::format("{} is neither true nor false", excerpt(scalar.text));
  target = scalar.text == "true";
  return std::nullopt;
}

Fault take_optional(const Key& key, const Scalar& scalar, std::optional<double>& target) {
  if (scalar.text == key.absent) {
    target.reset();
    return std::nullopt;
  }
  double value = 0;
  Fault fault = take_real(key.range, scalar, value);
  if (!fault) target = value;
  return fault;
}

/// A name becomes a folder's name.
Fault take_name(const Scalar& scalar, std::string& target) {
  const std::string& text = scalar.text;
  const bool control =
      std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  const bool folder = !text.empty() && text != "." && text != ".." && text.find('/') == std::string::npos;
  if (control || !folder || text.size() > 100) return fmt::format("{} cannot name a folder", excerpt(text));
  target = text;
  return std::nullopt;
}

template <typename Choice>
std::string join_words() {
  std::string result;
  for (const auto& [value, word] : words_of(Choice{}))
    result += fmt::format("{}{}", result.empty() ? "" : ", ", word);
  return result;
}

}  // namespace

Words<DeviceKind> words_of(DeviceKind) {
  static constexpr std::array words{std::pair{DeviceKind::automatic, std::string_view("auto")},
                                    std::pair{DeviceKind::cpu, std::string_view("cpu")},
                                    std::pair{DeviceKind::cuda, std::string_view("cuda")}};
  return words;
}

Words<ConnectivityDistribution> words_of(ConnectivityDistribution) {
  static constexpr std::array words{
      std::pair{ConnectivityDistribution::cauchy, std::string_view("cauchy")},
      std::pair{ConnectivityDistribution::gaussian, std::string_view("gaussian")}};
  return words;
}

Words<TrainingMethod> words_of(TrainingMethod) {
  static constexpr std::array words{std::pair{TrainingMethod::adam, std::string_view("adam")},
                                    std::pair{TrainingMethod::varpro, std::string_view("varpro")}};
  return words;
}

Words<DivergencePolicy> words_of(DivergencePolicy) {
  static constexpr std::array words{std::pair{DivergencePolicy::stop, std::string_view("stop")},
                                    std::pair{DivergencePolicy::rewind, std::string_view("rewind")}};
  return words;
}

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t longest = 80;
  if (text.size() <= longest) return in_quotes(text);
  return in_quotes(
      fmt::format("{}...{}", text.substr(0, longest / 2), text.substr(text.size() - longest / 2)));
}

std::optional<std::string> assign(const Key& key, Field field, const Scalar& scalar) {
  if (scalar.null && !std::holds_alternative<std::filesystem::path*>(field)) return "it has no value";
  return std::visit(
      [&](auto* target) -> Fault {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (is_choice<T>) {
          return take_choice(scalar, *target);
        } else if constexpr (std::is_same_v<T, bool>) {
          return take_yes_or_no(scalar, *target);
        } else if constexpr (std::is_integral_v<T>) {
          return take_whole(key.range, scalar, *target);
        } else if constexpr (std::is_same_v<T, double>) {
          return take_real(key.range, scalar, *target);
        } else if constexpr (std::is_same_v<T, std::optional<double>>) {
          return take_optional(key, scalar, *target);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return take_name(scalar, *target);
        } else {
          *target = scalar.null ? "" : scalar.text;
          return std::nullopt;
        }
      },
      field);
}

std::string text_of(const Key& key, const Field& field) {
  return std::visit(
      [&key](const auto* value) -> std::string {
        using T = std::remove_cv_t<std::remove_pointer_t<decltype(value)>>;
        if constexpr (is_choice<T>) {
          for (const auto& [choice, word] : words_of(T{})) {
            if (choice == *value) return std::string(word);
          }
          throw InternalError("a choice of the config that has no word");
        } else if constexpr (std::is_arithmetic_v<T>) {
          return fmt::format("{}", *value);
        } else if constexpr (std::is_same_v<T, std::optional<double>>) {
          return *value ? fmt::format("{}", **value) : std::string(key.absent);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return in_quotes(*value);
        } else {
          return in_quotes(value->string());
        }
      },
      field);
}

std::string type_of(const Key& key) {
  Config config = default_config();
  return std::visit(
      [&key](auto* value) -> std::string {
        using T = std::remove_pointer_t<decltype(value)>;
        if constexpr (is_choice<T>)
          return join_words<T>();
        else if constexpr (std::is_same_v<T, bool>)
          return "true, false";
        else if constexpr (std::is_integral_v<T>)
          return "whole number";
        else if constexpr (std::is_same_v<T, double>)
          return "number";
        else if constexpr (std::is_same_v<T, std::optional<double>>)
          return fmt::format("{} or number", key.absent);
        else if constexpr (std::is_same_v<T, std::string>)
          return "text";
        else
          return "path";
      },
      key.field(config, 0));
}

std::string allowed(const Key& key) {
  Config config = default_config();
  const Field field = key.field(config, 0);
  const std::string type = type_of(key);
  if (std::holds_alternative<std::string*>(field))
    return "a text without / that can name a folder, 100 bytes at most";
  if (std::holds_alternative<std::filesystem::path*>(field)) return "the path of a file";
  if (std::holds_alternative<std::optional<double>*>(field))
    return fmt::format("{} or a number, {}", key.absent, range_text(key.range));
  if (type != "number" && type != "whole number") return "one of " + type;
  const std::string range = range_text(key.range);
  return fmt::format("a {}{}{}", type, range.empty() ? "" : ", ", range);
}

std::string range_text(const Range& range) {
  const bool below = std::isfinite(range.high);
  if (!std::isfinite(range.low) && !below) return "";
  // 2^64 - 1 is the end of the type, not of the range, and a double cannot hold it.
  const bool all_unsigned = below && range.high >= 0x1p64;
  if (all_unsigned) return "0 to 18446744073709551615";
  if (below && !range.low_excluded && !range.high_excluded)
    return fmt::format("{} to {}", range.low, range.high);
  const std::string low = fmt::format("{}{}{}", range.low_excluded ? "above " : "", range.low,
                                      range.low_excluded ? "" : " or more");
  return below ? fmt::format("{}, below {}", low, range.high) : low;
}

}  // namespace weft
