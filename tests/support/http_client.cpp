#include "support/http_client.hpp"

#include <array>
#include <cstdint>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft {

HttpClient::HttpClient(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<std::uint16_t>(port));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected_ = connect(socket_, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) == 0;
}

HttpClient::~HttpClient() { close(socket_); }

bool HttpClient::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string HttpClient::receive() const {
  std::string text;
  std::array<char, 65536> part;
  for (ssize_t count; (count = recv(socket_, part.data(), part.size(), 0)) > 0;)
    text.append(part.data(), static_cast<std::size_t>(count));
  return text;
}

std::string response(int port, const std::string& request) {
  const HttpClient client(port);
  client.send(request);
  return client.receive();
}

std::string get(int port, const std::string& path) {
  return response(port, "GET " + path + " HTTP/1.1\r\nHost: weft\r\n\r\n");
}

}  // namespace weft
