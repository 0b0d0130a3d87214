// One rank of a run that is watched over: does what it is told on stdin, tells what happens on stdout, each a
// line. heartbeat_test starts it, and kills it.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "weft/comm/heartbeat.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"

#include "shared_memory_world.hpp"
#include "support/failing_call.hpp"

namespace weft {
namespace {

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void obey(std::istream& commands, std::optional<Heartbeat>& heartbeat) {
  std::optional<InSection> section;
  for (std::string command; std::getline(commands, command);) {
    if (command == "step") section.reset();
    if (command == "read") section.emplace(Section::read);
    if (command == "checkpoint") section.emplace(Section::checkpoint);
    if (command == "collective") section.emplace(Section::collective);
    if (command == "next") note_step(whereabouts().step + 1);
    if (command == "end") heartbeat.reset();
    if (command == "throw") throw std::runtime_error("as told");
    say("done " + command);
  }
}

int run(int rank, int size, const std::string& memory, const Patience& patience, bool has_sockets) {
  SharedMemoryWorld world(memory, rank, size);
  log_to_terminal(LogLevel::warning);
  if (!has_sockets && !have_call_fail(SYS_socket, EACCES)) return 65;
  note_stage("train");
  note_step(41);
  std::optional<Heartbeat> heartbeat(std::in_place, world, patience, [](const Alarm& alarm) {
    say(fmt::format("{}: {}", alarm.leads ? "leads" : "follows", alarm.words));
    _exit(3);
  });
  say("watched");
  try {
    obey(std::cin, heartbeat);
  } catch (const std::exception& error) {
    heartbeat.reset();
    say(fmt::format("threw {}", error.what()));
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace weft

// RANK SIZE FILE sockets|no_sockets HEARTBEAT STEP COLLECTIVE CHECKPOINT READ
int main(int argc, char** argv) {
  if (argc != 10) return 64;
  const auto number = [&](int place) { return std::strtod(argv[place], nullptr); };
  const weft::Patience patience{number(5), number(6), number(7), number(8), number(9)};
  return weft::run(std::atoi(argv[1]), std::atoi(argv[2]), argv[3], patience,
                   argv[4] == std::string("sockets"));
}
