#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weft {

/// The four things that a user needs to put a mistake right.
struct Complaint {
  std::string place;     ///< file and line, config key, argument, environment variable, rank
  std::string found;     ///< the value that was found, or what happened
  std::string expected;  ///< what was expected; empty where `found` says it all
  std::string remedy;    ///< what to do about it
};

/// A mistake of the user's or of the surroundings: config, file, argument, environment, rank count, disk.
/// Exit code 2. The message is one line: `place: found; expected ...; remedy`.
class UserError : public std::runtime_error {
 public:
  explicit UserError(const Complaint& complaint);
  /// Takes over a message that another rank already put into words.
  explicit UserError(const std::string& line) : std::runtime_error(line) {}
};

/// The data do not hold the answer, whatever the user does with this program: too few frames, noise that
/// drowns the weights. Exit code 1. The message is one line, as that of UserError.
class UnidentifiableError : public std::runtime_error {
 public:
  explicit UnidentifiableError(const Complaint& complaint);
  /// Takes over a message that another rank already put into words.
  explicit UnidentifiableError(const std::string& line) : std::runtime_error(line) {}
};

/// Not an error: all ranks ended a long loop at the same step, before its end, because that was wished
/// (comm/run_control.hpp); what they had is saved. Exit code 75, "go on later".
class Stopped : public std::runtime_error {
 public:
  /// Such as "train, after step 1200".
  explicit Stopped(const std::string& place) : std::runtime_error(place) {}
};

/// A training left the numbers that a computer has: a loss or a weight is NaN or infinite. A UserError that
/// can be answered by going back to the last good checkpoint. On all ranks alike.
class DivergedError : public UserError {
 public:
  using UserError::UserError;
};

/// The result of a training cannot be written, after all its work; what was saved before it is still valid.
/// Exit code 1. On all ranks alike.
class ResultNotWritten : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A bug in Weft: a broken invariant. Exit code 1. The message ends with the place in the source and the call
/// stack.
class InternalError : public std::runtime_error {
 public:
  explicit InternalError(std::string_view what, std::source_location where = std::source_location::current());
  /// Takes over the message of another rank's bug, which names the place and the stack there.
  static InternalError passed_on(const std::string& message) { return InternalError(message, Finished{}); }

 private:
  struct Finished {};
  InternalError(const std::string& message, Finished) : std::runtime_error(message) {}
};

/// Throws InternalError unless `invariant` holds.
void require(bool invariant, std::string_view what,
             std::source_location where = std::source_location::current());

}  // namespace weft
