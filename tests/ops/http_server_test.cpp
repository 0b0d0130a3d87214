#include "weft/ops/http_server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weft/core/error.hpp"

#include "support/failing_call.hpp"
#include "support/http_client.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using testing::AnyOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr std::size_t kBigBody = std::size_t{10} << 20;

std::map<std::string, HttpPage> pages() {
  return {{"/metrics",
           [] {
             return HttpAnswer{200, "text/plain; version=0.0.4", "up 1\n"};
           }},
          {"/ready",
           [] {
             return HttpAnswer{503, "application/json", "{}"};
           }},
          {"/big",
           [] {
             return HttpAnswer{200, "text/plain", std::string(kBigBody, 'x')};
           }},
          {"/throws", []() -> HttpAnswer { throw InternalError("a secret"); }}};
}

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() : server_("127.0.0.1", 0, pages()), port_(server_.port()) {}

  void expect_still_served() const { EXPECT_THAT(get(port_, "/metrics"), EndsWith("\r\n\r\nup 1\n")); }

  HttpServer server_;
  int port_;
};

TEST_F(HttpServerTest, AnyFreePortAnswers) {
  EXPECT_GT(port_, 0);
  EXPECT_EQ(get(port_, "/metrics"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 5\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\nup 1\n");
  EXPECT_THAT(get(port_, "/metrics?name[]=up"), EndsWith("\r\n\r\nup 1\n"));
  EXPECT_THAT(response(port_, "GET /metrics HTTP/1.0\r\n\r\n"), EndsWith("\r\n\r\nup 1\n"));
}

TEST_F(HttpServerTest, APageChoosesItsStatus) {
  EXPECT_THAT(get(port_, "/ready"), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
}

TEST_F(HttpServerTest, HeadIsGetWithoutTheBody) {
  const std::string answer = response(port_, "HEAD /big HTTP/1.1\r\nHost: weft\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 10485760\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, ABigBodyArrivesWhole) {
  const std::string answer = get(port_, "/big");
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, kBigBody);
}

TEST_F(HttpServerTest, OtherMethodsAreNotAllowed) {
  for (const std::string method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "PROPFIND"}) {
    for (const std::string rest : {"\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc",
                                   "\r\nOrigin: a\r\nAccess-Control-Request-Method: GET\r\n\r\n"}) {
      for (const std::string path : {"/metrics", "/absent"}) {
        const std::string answer = response(port_, method + " " + path + " HTTP/1.1" + rest);
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 Method Not Allowed\r\n")) << method << rest;
        EXPECT_THAT(answer, HasSubstr("\r\nAllow: GET, HEAD\r\n"));
      }
    }
  }
}

TEST_F(HttpServerTest, OtherPathsAreNotFound) {
  for (const std::string path : {"/", "/metrics/", "/metric", "/Metrics", "//etc/passwd", "/../../etc/passwd",
                                 "/proc/self/maps", "/%2e%2e/etc/passwd", "/x.cgi", "/x.shtml"}) {
    EXPECT_THAT(get(port_, path), StartsWith("HTTP/1.1 404 Not Found\r\n")) << path;
  }
}

TEST_F(HttpServerTest, APageThatThrowsTellsNothing) {
  const std::string answer = get(port_, "/throws");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("secret")));
  expect_still_served();
}

TEST_F(HttpServerTest, WhatIsNoHttpIsABadRequest) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"TRACE /metrics HTTP/1.1\r\n\r\n"s, "\0\1\xff\xfe\r\n\r\n"s, "rubbish\r\n\r\n"s, "GET\r\n\r\n"s,
        "\x16\x03\x01\x02\0\x01 as TLS begins"s, "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n"s,
        "\r\n\r\n\r\n"s}) {
    EXPECT_THAT(response(port_, bytes), AnyOf(IsEmpty(), HasSubstr(" 400 Bad Request\r\n"))) << bytes;
  }
  EXPECT_THAT(response(port_, "GET /metrics HTTP/9.9\r\n\r\n"), HasSubstr(" 505 "));
  expect_still_served();
}

TEST_F(HttpServerTest, AnUpgradeIsNotMade) {
  const std::string answer =
      response(port_,
               "GET /metrics HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, LongHeadersAreRefused) {
  const HttpClient client(port_);
  client.send("GET /metrics HTTP/1.1\r\nX: " + std::string(1 << 20, 'x') + "\r\n\r\n");
  EXPECT_THAT(client.receive(), Not(HasSubstr("200 OK")));
  expect_still_served();
}

TEST_F(HttpServerTest, BodiesAreRefused) {
  for (const std::string header : {"Content-Length: 3", "Transfer-Encoding: chunked"}) {
    EXPECT_THAT(response(port_, "GET /metrics HTTP/1.1\r\n" + header + "\r\n\r\nabc"),
                StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  }
}

TEST_F(HttpServerTest, BodiesWithoutEndAreNotRead) {
  for (const std::string method : {"GET", "POST", "PUT"}) {
    for (const std::string header : {"Content-Length: 999999999999", "Transfer-Encoding: chunked"}) {
      const HttpClient client(port_);
      bool sent = client.send(method + " /metrics HTTP/1.1\r\n" + header + "\r\n\r\n");
      const std::string part = "10000\r\n" + std::string(1 << 16, 'x') + "\r\n";
      while (sent) sent = client.send(part);
    }
  }
  expect_still_served();
}

TEST_F(HttpServerTest, AThousandRequestsAreAnswered) {
  for (int k = 0; k < 1000; ++k) ASSERT_THAT(get(port_, "/metrics"), EndsWith("up 1\n")) << k;
}

TEST_F(HttpServerTest, ManyClientsAreAnsweredAtOnce) {
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&] {
      for (int k = 0; k < 50; ++k) answered += get(port_, "/metrics").ends_with("\r\n\r\nup 1\n") ? 1 : 0;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 400);
}

TEST_F(HttpServerTest, ClientsThatHangDoNotKeepOthersOutForGood) {
  const HttpClient reads_nothing(port_);
  reads_nothing.send("GET /big HTTP/1.1\r\n\r\n");
  const std::array<HttpClient, 4> silent{HttpClient(port_), HttpClient(port_), HttpClient(port_),
                                         HttpClient(port_)};
  const HttpClient in_the_middle(port_);
  in_the_middle.send("GET /metrics HT");
  expect_still_served();
}

TEST_F(HttpServerTest, AClientThatLeavesInTheMiddleIsForgotten) {
  for (int k = 0; k < 20; ++k) {
    const HttpClient client(port_);
    client.send("GET /big HTTP/1.1\r\n\r\n");
  }
  expect_still_served();
}

TEST(HttpServer, EndsWhileClientsHang) {
  std::optional<HttpServer> server(std::in_place, "127.0.0.1", 0, pages());
  const int port = server->port();
  std::array<std::optional<HttpClient>, 30> clients;
  for (auto& client : clients) client.emplace(port);
  for (std::size_t k = 0; k < clients.size(); k += 3) clients[k]->send("GET /big HTTP/1.1\r\n\r\n");
  server.reset();
  EXPECT_FALSE(HttpClient(port).connected());
}

TEST(HttpServer, ASlowPageDoesNotHoldUpOthers) {
  std::atomic<bool> may_answer = false;
  const HttpServer server("127.0.0.1", 0,
                          {{"/slow",
                            [&] {
                              may_answer.wait(false);
                              return HttpAnswer{200, "text/plain", "slow\n"};
                            }},
                           {"/metrics", [] {
                              return HttpAnswer{200, "text/plain", "up 1\n"};
                            }}});
  const HttpClient slow(server.port());
  slow.send("GET /slow HTTP/1.1\r\n\r\n");
  EXPECT_THAT(get(server.port(), "/metrics"), EndsWith("up 1\n"));
  may_answer = true;
  may_answer.notify_all();
  EXPECT_THAT(slow.receive(), EndsWith("slow\n"));
}

TEST(HttpServer, APortInUseIsRefusedAndFreeAfterwards) {
  std::optional<HttpServer> first(std::in_place, "127.0.0.1", 0, pages());
  const int port = first->port();
  for (const std::string address : {"127.0.0.1", "0.0.0.0"}) {
    expect_user_error([&] { const HttpServer second(address, port, pages()); },
                      {"HTTP server on " + address + ":" + std::to_string(port) + ": cannot bind to ",
                       "(Address already in use); expected ", "choose another port"});
  }
  EXPECT_THAT(get(port, "/metrics"), EndsWith("up 1\n"));
  first.reset();
  const HttpServer second("127.0.0.1", port, pages());
  EXPECT_THAT(get(port, "/metrics"), EndsWith("up 1\n"));
}

TEST(HttpServer, AnotherMachinesAddressIsRefused) {
  expect_user_error([] { const HttpServer server("192.0.2.1", 0, pages()); },
                    {"HTTP server on 192.0.2.1:0: cannot bind to ", "Cannot assign requested address"});
}

TEST(HttpServer, WhatIsNoAddressIsRefused) {
  for (const std::string address : {"", "localhost", "127.1", "10.0.0.256", "::1", "[::1]", "+",
                                    "127.0.0.1:80,0.0.0.0", "127.0.0.1\n", " 127.0.0.1"}) {
    expect_user_error([&] { const HttpServer server(address, 0, pages()); },
                      {"not an IPv4 address", "127.0.0.1 to serve this machine alone"});
  }
}

TEST(HttpServer, WhatIsNoPortIsRefused) {
  for (const int port : {-1, 65536, 70000}) {
    expect_user_error([&] { const HttpServer server("127.0.0.1", port, pages()); },
                      {"127.0.0.1:" + std::to_string(port), "invalid port"});
  }
}

TEST(HttpServer, AForbiddenPortIsRefused) {
  const pid_t child = fork();
  if (child == 0) {
    if (!have_call_fail(SYS_bind, EACCES)) _exit(1);
    try {
      const HttpServer server("127.0.0.1", 80, pages());
    } catch (const UserError& error) {
      _exit(std::string(error.what()).find("(Permission denied)") != std::string::npos ? 0 : 2);
    }
    _exit(3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

std::set<std::string> threads() {
  std::set<std::string> names;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    names.insert(thread.path());
  return names;
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

TEST(HttpServer, LeavesNothingBehind) {
  { const HttpServer first("127.0.0.1", 0, pages()); }
  const std::size_t descriptors = open_descriptors();
  const std::set<std::string> before = threads();
  for (int k = 0; k < 20; ++k) {
    const HttpServer server("127.0.0.1", 0, pages());
    get(server.port(), "/metrics");
  }
  EXPECT_EQ(threads(), before);
  EXPECT_LT(open_descriptors(), descriptors + 10) << "not one for each server";
}

/// The signals that a thread does not take, one a bit; SIGHUP, number 1, is the lowest.
std::uint64_t blocked_signals(const std::string& thread) {
  std::ifstream status(thread + "/status");
  for (std::string word; status >> word;) {
    std::string mask;
    if (word == "SigBlk:" && status >> mask) return std::stoull(mask, nullptr, 16);
  }
  return 0;
}

TEST(HttpServer, ItsThreadsTakeNoSignals) {
  const std::set<std::string> before = threads();
  const HttpServer server("127.0.0.1", 0, pages());
  EXPECT_THAT(get(server.port(), "/metrics"), EndsWith("up 1\n"));
  int found = 0;
  for (const std::string& thread : threads()) {
    if (before.contains(thread)) continue;
    ++found;
    const std::uint64_t blocked = blocked_signals(thread);
    for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGPIPE})
      EXPECT_TRUE(blocked >> (signal - 1) & 1) << signal;
  }
  EXPECT_EQ(found, 5) << "four that serve, and one that accepts";
}

TEST(HttpServer, TheProcessTakesSignalsAsBefore) {
  std::array<struct sigaction, 2> actions{};
  std::array<sigset_t, 2> masks{};
  sigaction(SIGPIPE, nullptr, &actions[0]);
  pthread_sigmask(SIG_SETMASK, nullptr, &masks[0]);
  const HttpServer server("127.0.0.1", 0, pages());
  sigaction(SIGPIPE, nullptr, &actions[1]);
  pthread_sigmask(SIG_SETMASK, nullptr, &masks[1]);
  EXPECT_EQ(actions[0].sa_handler, actions[1].sa_handler);
  for (int signal = 1; signal < SIGRTMIN; ++signal)
    EXPECT_EQ(sigismember(&masks[0], signal), sigismember(&masks[1], signal)) << signal;
}

}  // namespace
}  // namespace weft
