#include "../../src/comm/heartbeat_line.hpp"

#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft {
namespace {

using testing::ElementsAre;
using testing::Key;

/// The next message, which is on its way.
std::optional<Message> wait_for_message(Line& line) {
  while (!line.closed()) {
    if (auto message = line.receive()) return message;
    std::this_thread::yield();
  }
  return std::nullopt;
}

/// A connection with a reception, of somebody who may say anything.
class Stranger {
 public:
  explicit Stranger(const Invitation& invitation) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(invitation.port));
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Stranger() { close(socket_); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  void say(const std::string& bytes) const {
    EXPECT_EQ(send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), std::ssize(bytes));
  }
  void say(const Message& message) const {
    say(std::string(reinterpret_cast<const char*>(&message), sizeof message));
  }

 private:
  int socket_;
};

Message hello(const Token& token, int rank) {
  Message message;
  message.token = token;
  message.kind = Message::Kind::hello;
  message.rank = rank;
  return message;
}

TEST(Invitation, SurvivesItsText) {
  const Invitation invitation{{7, ~std::uint64_t{0}}, 54321, {"10.0.0.7", "127.0.0.1"}};
  const Invitation read = Invitation::of(invitation.text());
  EXPECT_EQ(read.token, invitation.token);
  EXPECT_EQ(read.port, invitation.port);
  EXPECT_EQ(read.addresses, invitation.addresses);
  EXPECT_TRUE(Invitation::of(Invitation().text()).addresses.empty());
}

TEST(Line, CarriesMessagesBothWays) {
  Reception reception(3);
  std::optional<Line> line = reach(reception.invitation(), 2);
  ASSERT_TRUE(line);
  std::map<int, Line> lines = reception.close();
  ASSERT_THAT(lines, ElementsAre(Key(2)));
  Message message;
  message.step = 77;
  message.set_text(std::string(1000, 'x'));
  line->send(message);
  lines.at(2).send(message);
  for (Line* const end : {&*line, &lines.at(2)}) {
    const auto received = wait_for_message(*end);
    ASSERT_TRUE(received);
    EXPECT_EQ(received->step, 77);
    EXPECT_EQ(std::string(received->text.data()), std::string(message.text.size() - 1, 'x'));
  }
}

TEST(Line, WhatWasSaidBeforeAnEndIsHeard) {
  for (int k = 0; k < 200; ++k) {
    Reception reception(2);
    std::optional<Line> line = reach(reception.invitation(), 1);
    ASSERT_TRUE(line);
    std::map<int, Line> lines = reception.close();
    // With words that the one who ends has not read, the end is a reset of the connection.
    lines.at(1).send(Message());
    line->send(hello({}, 1));
    line.reset();
    lines.at(1).send(Message());
    EXPECT_TRUE(wait_for_message(lines.at(1)));
    EXPECT_FALSE(wait_for_message(lines.at(1)));
    EXPECT_TRUE(lines.at(1).closed());
  }
}

TEST(Line, IsWholeAgainAfterOneEndDidNotListen) {
  Reception reception(2);
  std::optional<Line> line = reach(reception.invitation(), 1);
  ASSERT_TRUE(line);
  std::map<int, Line> lines = reception.close();
  constexpr int kMany = 100000;  // more than the system keeps
  Message message;
  for (message.step = 1; message.step <= kMany; ++message.step) line->send(message);
  std::int64_t last = 0;
  std::int64_t count = 0;
  for (message.step = kMany + 1; last <= kMany; ++message.step) {
    line->send(message);
    while (const auto received = lines.at(1).receive()) {
      ASSERT_GT(received->step, last);
      last = received->step;
      ++count;
    }
    ASSERT_FALSE(lines.at(1).closed());
  }
  EXPECT_LT(count, kMany);
}

TEST(Reception, StrangersAreNotTakenForRanks) {
  Reception reception(3);
  const Invitation& invitation = reception.invitation();
  const Stranger silent(invitation);
  const Stranger talks_http(invitation);
  talks_http.say("GET / HTTP/1.1\r\n\r\n");
  const Stranger of_another_run(invitation);
  of_another_run.say(hello({1, 2}, 1));
  const Stranger of_no_rank(invitation);
  of_no_rank.say(hello(invitation.token, 3));
  const Stranger of_a_negative_rank(invitation);
  of_a_negative_rank.say(hello(invitation.token, -1));
  const Stranger of_rank_0(invitation);
  of_rank_0.say(hello(invitation.token, 0));
  std::mt19937 random(1);
  std::string noise(100000, ' ');
  for (char& byte : noise) byte = static_cast<char>(random());
  const Stranger makes_noise(invitation);
  makes_noise.say(noise);
  { const Stranger leaves_at_once(invitation); }
  const std::optional<Line> line = reach(invitation, 1);
  EXPECT_TRUE(line);
  EXPECT_THAT(reception.close(), ElementsAre(Key(1)));
}

TEST(Reach, FindsNobodyWhereNobodyOfThisRunListens) {
  Reception other(2);
  Invitation invitation = other.invitation();
  invitation.token[0] += 1;
  std::thread ends_soon([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    other.close();
  });
  EXPECT_FALSE(reach(invitation, 1));
  ends_soon.join();
  EXPECT_FALSE(reach(other.invitation(), 1)) << "it is closed";
}

TEST(Reach, TriesAllAddresses) {
  Reception reception(2);
  Invitation invitation = reception.invitation();
  invitation.addresses = {"no address", "127.0.0.1"};
  EXPECT_TRUE(reach(invitation, 1));
}

}  // namespace
}  // namespace weft
