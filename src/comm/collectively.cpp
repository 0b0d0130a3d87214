#include <algorithm>
#include <exception>
#include <string>

#include <fmt/format.h>

#include "weft/comm/communicator.hpp"
#include "weft/comm/sums.hpp"
#include "weft/core/error.hpp"

namespace weft {
namespace {

enum class Outcome { done, user_error, unidentifiable_error, internal_error, other_error };

/// How a rank's work ended.
struct Report {
  Outcome outcome = Outcome::done;
  std::string message;
  std::exception_ptr exception;
};

Report attempt(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const UserError& error) {
    return {Outcome::user_error, error.what(), std::current_exception()};
  } catch (const UnidentifiableError& error) {
    return {Outcome::unidentifiable_error, error.what(), std::current_exception()};
  } catch (const InternalError& error) {
    return {Outcome::internal_error, error.what(), std::current_exception()};
  } catch (const std::exception& error) {
    return {Outcome::other_error, error.what(), std::current_exception()};
  } catch (...) {
    return {Outcome::other_error, "an exception of an unknown type", std::current_exception()};
  }
}

[[noreturn]] void throw_as(Outcome outcome, const std::string& message) {
  switch (outcome) {
    case Outcome::user_error:
      throw UserError(message);
    case Outcome::unidentifiable_error:
      throw UnidentifiableError(message);
    case Outcome::internal_error:
      throw InternalError::passed_on(message);
    default:
      throw std::runtime_error(message);
  }
}

}  // namespace

void collectively(Communicator& group, const std::function<void()>& work) {
  const Report own = attempt(work);
  const std::vector<double> outcomes = gather_numbers(group, static_cast<double>(own.outcome));
  const auto first =
      std::find_if(outcomes.begin(), outcomes.end(), [](double outcome) { return outcome != 0; });
  if (first == outcomes.end()) return;
  const auto failed_rank = static_cast<int>(first - outcomes.begin());
  const std::string message = broadcast_text(group, own.message, failed_rank);
  if (own.exception) std::rethrow_exception(own.exception);
  throw_as(static_cast<Outcome>(*first), fmt::format("rank {}: {}", failed_rank, message));
}

std::string broadcast_text(Communicator& group, std::string text, int root) {
  auto length = static_cast<std::int64_t>(text.size());
  group.broadcast(std::span(&length, 1), root).wait();
  text.resize(static_cast<std::size_t>(length));
  group.broadcast(std::span<char>(text), root).wait();
  return text;
}

std::vector<std::string> gather_texts(Communicator& group, const std::string& own) {
  std::vector<std::int64_t> lengths;
  for (const double length : gather_numbers(group, static_cast<double>(own.size())))
    lengths.push_back(static_cast<std::int64_t>(length));
  const std::vector<char> all = gather_blocks(group, std::vector<char>(own.begin(), own.end()), lengths);
  std::vector<std::string> texts;
  auto begin = all.begin();
  for (const std::int64_t length : lengths) {
    texts.emplace_back(begin, begin + length);
    begin += length;
  }
  return texts;
}

std::vector<double> gather_numbers(Communicator& group, double own) {
  return gather_blocks(group, std::vector<double>{own},
                       std::vector<std::int64_t>(static_cast<std::size_t>(group.size()), 1));
}

}  // namespace weft
