#include "heartbeat_line.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft {
namespace {

/// How long rank 0 has to answer at one address: a packet may be lost, or all ranks call at once.
constexpr int kAnswer_ms = 5000;
/// How often a reception looks whether it is to close.
constexpr int kReception_ms = 10;

Token make_token() {
  Token token{};
  // Where the system has no randomness yet, the token is what it is: it keeps strangers off, not enemies.
  [[maybe_unused]] const auto bytes = getrandom(token.data(), sizeof token, 0);
  return token;
}

Socket open_socket() { return Socket(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

sockaddr_in address_of(in_addr host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = host;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

/// On all interfaces, at a port of the system's choice; invalid where that fails.
Socket listen_somewhere() {
  Socket listener = open_socket();
  const sockaddr_in anywhere = address_of({htonl(INADDR_ANY)}, 0);
  if (!listener.valid() || bind(listener.descriptor(), generic(anywhere), sizeof anywhere) != 0 ||
      listen(listener.descriptor(), SOMAXCONN) != 0)
    return {};
  return listener;
}

int port_of(const Socket& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(listener.descriptor(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// IPv4 addresses of this machine, the loopback last: on any other machine it leads nowhere.
std::vector<std::string> own_addresses() {
  std::vector<std::string> outside;
  std::vector<std::string> loopback;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {"127.0.0.1"};
  for (const ifaddrs* entry = all; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if ((entry->ifa_flags & IFF_UP) == 0) continue;
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
    std::array<char, INET_ADDRSTRLEN> text{};
    inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size());
    ((entry->ifa_flags & IFF_LOOPBACK) != 0 ? loopback : outside).emplace_back(text.data());
  }
  freeifaddrs(all);
  outside.insert(outside.end(), loopback.begin(), loopback.end());
  return outside;
}

bool ready(int descriptor, short what) {
  pollfd entry{descriptor, what, 0};
  int count = 0;
  do {
    count = poll(&entry, 1, kAnswer_ms);
  } while (count < 0 && errno == EINTR);
  return count > 0;
}

/// A connection to whoever listens there.
std::optional<Line> connect_to(const std::string& address, int port) {
  Socket socket = open_socket();
  in_addr host{};
  if (!socket.valid() || inet_pton(AF_INET, address.c_str(), &host) != 1) return std::nullopt;
  const sockaddr_in there = address_of(host, port);
  if (connect(socket.descriptor(), generic(there), sizeof there) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return std::nullopt;
    if (!ready(socket.descriptor(), POLLOUT)) return std::nullopt;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return std::nullopt;
  }
  return Line(std::move(socket));
}

Message hello(const Token& token, int rank) {
  Message message;
  message.token = token;
  message.kind = Message::Kind::hello;
  message.rank = rank;
  return message;
}

bool is_hello(const Message& message, const Token& token) {
  return message.kind == Message::Kind::hello && message.token == token;
}

/// Whether it is rank 0 of this run who answers. (A socket may come to be connected with itself.)
bool introduce(Line& line, const Token& token, int rank) {
  line.send(hello(token, rank));
  while (!line.closed() && ready(line.descriptor(), POLLIN)) {
    if (const auto answer = line.receive()) return is_hello(*answer, token) && answer->rank == 0;
  }
  return false;
}

}  // namespace

void Message::set_text(const std::string& words) {
  text = {};
  words.copy(text.data(), text.size() - 1);
}

Socket::Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Socket::~Socket() {
  if (valid()) close(descriptor_);
}

void Line::send(const Message& message) {
  const auto half_sent = [&] { return sent_ > 0 && sent_ < outgoing_.size(); };
  if (half_sent()) push();
  if (half_sent()) return;
  std::memcpy(outgoing_.data(), &message, sizeof message);
  sent_ = 0;
  push();
}

void Line::push() {
  const ssize_t count = ::send(socket_.descriptor(), outgoing_.data() + sent_, outgoing_.size() - sent_,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count > 0) sent_ += static_cast<std::size_t>(count);
}

std::optional<Message> Line::receive() {
  while (!closed_ && received_ < incoming_.size()) {
    const ssize_t count =
        recv(socket_.descriptor(), incoming_.data() + received_, incoming_.size() - received_, MSG_DONTWAIT);
    if (count > 0) {
      received_ += static_cast<std::size_t>(count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return std::nullopt;
    } else {
      closed_ = true;
    }
  }
  if (closed_) return std::nullopt;
  received_ = 0;
  Message message;
  std::memcpy(&message, incoming_.data(), sizeof message);
  message.text.back() = '\0';
  return message;
}

std::string Invitation::text() const {
  return fmt::format("{} {} {} {}", token[0], token[1], port, fmt::join(addresses, " "));
}

Invitation Invitation::of(const std::string& text) {
  Invitation result;
  std::istringstream stream(text);
  stream >> result.token[0] >> result.token[1] >> result.port;
  for (std::string address; stream >> address;) result.addresses.push_back(address);
  return result;
}

Reception::Reception(int ranks) : size_(ranks), listener_(listen_somewhere()) {
  if (!listener_.valid()) return;
  invitation_ = {make_token(), port_of(listener_), own_addresses()};
  thread_ = std::thread([this] { receive_calls(); });
}

Reception::~Reception() { close(); }

std::map<int, Line> Reception::close() {
  closing_ = true;
  if (thread_.joinable()) thread_.join();
  return std::exchange(lines_, {});
}

void Reception::receive_calls() {
  while (!closing_) {
    std::vector<pollfd> entries{{listener_.descriptor(), POLLIN, 0}};
    for (const Line& stranger : strangers_) entries.push_back({stranger.descriptor(), POLLIN, 0});
    if (poll(entries.data(), entries.size(), kReception_ms) <= 0) continue;
    accept_strangers();
    identify_strangers();
  }
  strangers_.clear();
  listener_ = {};
}

void Reception::accept_strangers() {
  for (;;) {
    Socket socket(accept4(listener_.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) return;
    strangers_.emplace_back(std::move(socket));
  }
}

void Reception::identify_strangers() {
  for (Line& stranger : strangers_) {
    const auto message = stranger.receive();
    if (!message || !is_hello(*message, invitation_.token)) continue;
    if (message->rank < 1 || message->rank >= size_) continue;
    stranger.send(hello(invitation_.token, 0));
    lines_.insert_or_assign(message->rank, std::exchange(stranger, Line(Socket())));
  }
  std::erase_if(strangers_, [](const Line& line) { return line.closed() || line.descriptor() < 0; });
}

std::optional<Line> reach(const Invitation& invitation, int rank) {
  for (const std::string& address : invitation.addresses) {
    std::optional<Line> line = connect_to(address, invitation.port);
    if (line && introduce(*line, invitation.token, rank)) return line;
  }
  return std::nullopt;
}

}  // namespace weft
