#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "weft/comm/rank_board.hpp"

namespace weft {

/// Tells the ranks of one run from everybody else who may connect.
using Token = std::array<std::uint64_t, 2>;

/// What goes over a line, in either direction: of one size, and with the same layout on all nodes of a run,
/// which run one program.
struct Message {
  enum class Kind : std::int32_t {
    hello,    ///< the first, either way
    sign,     ///< of life
    goodbye,  ///< the sender ends in order
    ending,   ///< of rank 0: some rank said goodbye
    alarm,    ///< of rank 0: `text` says why
  };

  Token token{};
  std::int64_t step = 0;
  double seconds = 0;
  double own_seconds = 0;
  MemoryUse memory;
  Kind kind = Kind::sign;
  std::int32_t rank = 0;
  std::int32_t section = 0;
  std::array<char, 428> text{};  ///< ends with a zero; of a sign, the stage

  void set_text(const std::string& words);
};
static_assert(sizeof(Message) == 512);

/// A socket's descriptor, closed in the end.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  bool valid() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

/// A connection between rank 0 and another rank. Nothing here waits, nothing throws.
class Line {
 public:
  explicit Line(Socket socket) : socket_(std::move(socket)) {}

  int descriptor() const { return socket_.descriptor(); }
  /// A message that the other end has no room for is dropped, as a whole; that it is gone shows in `receive`.
  void send(const Message& message);
  /// The next message that is there as a whole.
  std::optional<Message> receive();
  /// Whether `receive` has come to the end of what the other sent before it went.
  bool closed() const { return closed_; }

 private:
  /// As much of `outgoing_` as there is room for.
  void push();

  Socket socket_;
  std::array<char, sizeof(Message)> incoming_{};
  std::size_t received_ = 0;  ///< of `incoming_`
  std::array<char, sizeof(Message)> outgoing_{};
  std::size_t sent_ = sizeof(Message);  ///< of `outgoing_`
  bool closed_ = false;
};

/// Where rank 0 is to be reached.
struct Invitation {
  Token token{};
  int port = 0;
  std::vector<std::string> addresses;  ///< IPv4, as numbers

  std::string text() const;
  static Invitation of(const std::string& text);
};

/// Rank 0's listening: takes calls on a thread of its own until it is closed.
class Reception {
 public:
  /// Local. Where the system lets nobody listen, the invitation is without addresses.
  explicit Reception(int ranks);
  ~Reception();
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;

  const Invitation& invitation() const { return invitation_; }
  /// Takes no more calls; the lines of those who did call, by rank.
  std::map<int, Line> close();

 private:
  void receive_calls();
  void accept_strangers();
  void identify_strangers();

  int size_;
  Invitation invitation_;
  Socket listener_;
  std::vector<Line> strangers_;
  std::map<int, Line> lines_;
  std::atomic<bool> closing_ = false;
  std::thread thread_;
};

/// Connects this rank, which is not rank 0, with rank 0; nothing where it is at none of its addresses, each
/// of which may take some seconds to find out.
std::optional<Line> reach(const Invitation& invitation, int rank);

}  // namespace weft
