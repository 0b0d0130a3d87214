#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

struct mg_context;

namespace weft {

struct HttpAnswer {
  int status = 200;
  std::string content_type;
  std::string body;
};

/// A line of text.
HttpAnswer plain_answer(int status, std::string_view line);

/// What a path is answered with. Called on the server's threads, several at a time. Where it throws, the
/// client gets a 500 and no more.
using HttpPage = std::function<HttpAnswer()>;

/// Answers GET and HEAD of a few fixed paths, such as "/metrics", on one address and port; there are no
/// files, no encryption and no passwords.
///
/// A connection serves one request. Four threads serve, and take no signals; a client that neither sends nor
/// reads holds one of them for 2 s, one that reads slowly for some 10 s, and others wait for their turn.
/// Requests of more than 16 KiB, and those with a body, are refused unread. Local.
class HttpServer {
 public:
  /// Serves from then on. `address` is a number of IPv4, such as "127.0.0.1", or "0.0.0.0" for all of this
  /// machine's; `port` 0 takes one that is free.
  /// @throws UserError where address and port cannot be had.
  HttpServer(const std::string& address, int port, std::map<std::string, HttpPage> pages);
  /// Returns when the pages under way have answered and clients that hang were given up, after 2 s at most.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;

 private:
  std::string address_;
  std::map<std::string, HttpPage> pages_;
  mg_context* context_;
};

}  // namespace weft
