#include "weft/ops/http_server.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <civetweb.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "weft/core/error.hpp"
#include "weft/core/signals_blocked.hpp"

namespace weft {
namespace {

constexpr const char* kThreads = "4";
constexpr const char* kAccepted = "16";             // clients that wait for a thread; more wait in the kernel
constexpr const char* kPatience = "2000";           // with a client that does nothing [ms]
constexpr std::chrono::seconds kLongestAnswer{10};  // for a client that reads slowly
constexpr std::size_t kPart = std::size_t{64} << 10;  // written between two looks at the clock [bytes]

/// The first that the library says on this thread while a server starts, which is the cause of the rest; null
/// otherwise, and on the server's threads.
thread_local std::string* heard = nullptr;

int hear(const mg_connection*, const char* message) {
  if (heard != nullptr && heard->empty()) *heard = message;
  return 1;  // which is to say that it is logged
}

/// mg_start has the whole process ignore SIGPIPE. Writing to a closed socket raises it on the server's
/// threads alone, where it is blocked.
class SigpipeKept {
 public:
  SigpipeKept() { sigaction(SIGPIPE, nullptr, &former_); }
  ~SigpipeKept() { sigaction(SIGPIPE, &former_, nullptr); }
  SigpipeKept(const SigpipeKept&) = delete;
  SigpipeKept& operator=(const SigpipeKept&) = delete;

 private:
  struct sigaction former_ {};
};

std::string endpoint(const std::string& address, int port) {
  // The library would take lists of addresses, names, and ports with letters behind them.
  in_addr number{};
  if (inet_pton(AF_INET, address.c_str(), &number) == 1) return fmt::format("{}:{}", address, port);
  throw UserError({fmt::format("the HTTP server's address \"{}\"", address), "not an IPv4 address",
                   "one of this machine, as a number",
                   "give 127.0.0.1 to serve this machine alone, or 0.0.0.0 to serve all"});
}

bool is_read(std::string_view method) { return method == "GET" || method == "HEAD"; }

bool has_body(const mg_connection* connection) {
  return mg_get_request_info(connection)->content_length > 0 ||
         mg_get_header(connection, "Transfer-Encoding") != nullptr;
}

void write(mg_connection* connection, std::string_view bytes) {
  const auto begin = std::chrono::steady_clock::now();
  while (!bytes.empty() && std::chrono::steady_clock::now() - begin < kLongestAnswer) {
    const std::size_t part = std::min(bytes.size(), kPart);
    if (mg_write(connection, bytes.data(), part) != static_cast<int>(part)) return;
    bytes.remove_prefix(part);
  }
}

void send(mg_connection* connection, const HttpAnswer& answer) {
  const bool is_head = std::string_view(mg_get_request_info(connection)->request_method) == "HEAD";
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n{}Connection: "
      "close\r\n\r\n",
      answer.status, mg_get_response_code_text(connection, answer.status), answer.content_type,
      answer.body.size(), answer.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (!is_head) text += answer.body;
  write(connection, text);
}

HttpAnswer answer_to(const std::map<std::string, HttpPage>& pages, const char* path) {
  const auto page = path == nullptr ? pages.end() : pages.find(path);
  if (page == pages.end()) return plain_answer(404, "not found");
  try {
    return page->second();
  } catch (...) {
    return plain_answer(500, "internal error");
  }
}

/// 1 where the request was answered here. A body would be read to its end after that, however long it
/// is; the library's own refusals leave it unread.
int serve(mg_connection* connection) {
  const mg_request_info* const request = mg_get_request_info(connection);
  if (!is_read(request->request_method) || has_body(connection)) return 0;
  const auto& pages = *static_cast<const std::map<std::string, HttpPage>*>(request->user_data);
  send(connection, answer_to(pages, request->local_uri));
  return 1;
}

/// What the library refuses: what is no HTTP, in its own words (1); what `serve` left to it, in ours.
int refuse(mg_connection* connection, int status, const char*) {
  if (status != 404 && status != 405) return 1;
  const bool reads = is_read(mg_get_request_info(connection)->request_method);
  send(connection, reads ? plain_answer(400, "no body is taken") : plain_answer(405, "only GET and HEAD"));
  return 0;
}

/// Has whoever waits for a connection to this address look up; nothing where nobody does.
void knock(const std::string& address, int port) {
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &server.sin_addr);
  const int knocking = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  connect(knocking, reinterpret_cast<const sockaddr*>(&server), sizeof(server));
  close(knocking);
}

mg_context* start(const std::string& where, std::map<std::string, HttpPage>& pages) {
  mg_callbacks callbacks{};
  callbacks.begin_request = serve;
  callbacks.http_error = refuse;
  callbacks.log_message = hear;  // log_access would have it call localtime on all threads
  std::array<const char*, 11> options{"listening_ports", where.c_str(), "num_threads", kThreads,
                                      "request_timeout_ms", kPatience, "connection_queue", kAccepted,
                                      // Else OPTIONS is answered, for browsers' scripts.
                                      "access_control_allow_origin", "", nullptr};
  const SigpipeKept sigpipe;
  const SignalsBlocked blocked;
  return mg_start(&callbacks, &pages, options.data());
}

}  // namespace

HttpAnswer plain_answer(int status, std::string_view line) {
  return {status, "text/plain; charset=utf-8", fmt::format("{}\n", line)};
}

HttpServer::HttpServer(const std::string& address, int port, std::map<std::string, HttpPage> pages)
    : address_(address), pages_(std::move(pages)) {
  const std::string where = endpoint(address, port);
  mg_init_library(0);
  std::string complaint;
  heard = &complaint;
  context_ = start(where, pages_);
  heard = nullptr;
  if (context_ != nullptr) return;
  mg_exit_library();
  throw UserError({fmt::format("HTTP server on {}", where), complaint,
                   "an address of this machine, and a port that is free and may be used",
                   "choose another port, 0 for any that is free, or another address"});
}

HttpServer::~HttpServer() {
  {
    // The thread that accepts looks up every 2 s, or when somebody comes. Whoever comes before mg_stop has
    // told it to end is accepted once more, and then forgotten, with an open socket.
    const SignalsBlocked blocked;
    std::jthread knocker;
    try {
      knocker = std::jthread([address = address_, port = port()](const std::stop_token& stopped) {
        for (;;) {
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
          if (stopped.stop_requested()) return;
          knock(address, port);
        }
      });
    } catch (const std::system_error&) {  // no more threads: it ends within 2 s all the same
    }
    mg_stop(context_);
  }
  mg_exit_library();
}

int HttpServer::port() const {
  mg_server_port port{};
  require(mg_get_server_ports(context_, 1, &port) == 1, "an HTTP server without a port");
  return port.port;
}

}  // namespace weft
