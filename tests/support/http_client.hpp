#pragma once

#include <string>
#include <string_view>

namespace weft {

/// One connection to a server on this machine.
class HttpClient {
 public:
  explicit HttpClient(int port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const { return connected_; }

  /// False where the server is done with this client.
  bool send(std::string_view bytes) const;
  /// All that comes until the server closes the connection.
  std::string receive() const;

 private:
  int socket_;
  bool connected_ = false;
};

/// The whole answer to a request.
std::string response(int port, const std::string& request);
/// The same, to GET.
std::string get(int port, const std::string& path);

}  // namespace weft
