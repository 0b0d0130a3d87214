#pragma once

#include <memory>

#include "weft/comm/communicator.hpp"

namespace weft {

/// Initialises MPI on construction and finalises it on destruction, unless an exception is on its way out: a
/// finalise would wait for ranks that may never come. One per program, made in main.
class MpiSession {
 public:
  MpiSession(int& argc, char**& argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// All ranks, on host memory; non-blocking MPI collectives underneath. Must not outlive the session.
  std::unique_ptr<Communicator> world() const;
  /// How many of the ranks run on this machine. @collective
  int ranks_on_this_node() const;
  /// This rank's place among these, from 0. @collective
  int rank_on_this_node() const;
  /// Whether every rank makes this call within `seconds` of this one: tells a failure that all ranks share
  /// from one that the others, waiting in a collective, do not know of. @collective, if all is well
  bool everyone_arrives(double seconds) const;
  /// Ends every rank at once with this exit code; for a failure that only this rank knows of. Does not
  /// return.
  [[noreturn]] void abort(int exit_code) const;
};

/// The version of the MPI library, one line.
std::string mpi_library_version();

}  // namespace weft
