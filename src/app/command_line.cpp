#include "weft/app/command_line.hpp"

#include <charconv>
#include <functional>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "weft/core/error.hpp"

namespace weft {
namespace {

const std::map<std::string, Stage> kStages{{"simulate", Stage::simulate},
                                           {"train", Stage::train},
                                           {"evaluate", Stage::evaluate},
                                           {"report", Stage::report}};
const std::map<std::string, LogLevel> kLevels{{"info", LogLevel::info},
                                              {"warning", LogLevel::warning},
                                              {"error", LogLevel::error},
                                              {"off", LogLevel::off}};
const std::map<std::string, LogFormat> kFormats{{"text", LogFormat::text}, {"json", LogFormat::json}};
const std::map<std::string, Resume> kResumes{
    {"auto", Resume::automatic}, {"must", Resume::must}, {"never", Resume::never}};

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 failure (a bug, a crash, data that do not hold the answer), 2 the user's mistake "
    "(config, file, argument, rank count, full disk), 75 stopped before the end (SIGUSR1, SIGTERM, SIGINT, "
    "--max-hours, the end of the Slurm job): the same command goes on from there.\n"
    "Every stage runs on any number of ranks: mpirun -n 4 weft run CONFIG.\n";

/// An option whose value is one of a few words.
template <typename Value>
void add_choice(CLI::App& command, const std::string& name, const std::string& value,
                const std::map<std::string, Value>& choices, const std::function<void(Value)>& choose,
                const std::string& about) {
  command
      .add_option_function<std::string>(
          name, [&choices, choose](const std::string& word) { choose(choices.at(word)); }, about)
      ->type_name(value)
      ->check(CLI::IsMember(&choices));
}

int port_of(const std::string& word) {
  if (word == "auto") return 0;
  int port = 0;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), port);
  if (failure == std::errc() && end == word.data() + word.size() && port > 0 && port < 65536) return port;
  throw CLI::ValidationError("--metrics-port", word + ": auto or a number from 1 to 65535 was expected");
}

std::string checked_gateway(const std::string& url) {
  const std::size_t colon = url.rfind(':');
  const bool has_port = colon != url.npos && colon > 0 && colon + 1 < url.size() &&
                        url.find_first_not_of("0123456789", colon + 1) == url.npos;
  if (has_port) return url;
  throw CLI::ValidationError("--metrics-push",
                             url + ": a URL with a port was expected, as http://gateway:9091");
}

/// Of rank 0; the others only check them.
void add_metrics(CLI::App& command, MetricsOptions& metrics) {
  CLI::Option* const port =
      command
          .add_option_function<std::string>(
              "--metrics-port", [&metrics](const std::string& word) { metrics.port = port_of(word); },
              "serve /metrics, /healthz and /readyz there; auto: on any free port")
          ->type_name("PORT");
  command
      .add_option("--metrics-address", metrics.address, "serve them on this address; 127.0.0.1 without it")
      ->type_name("ADDRESS")
      ->check(CLI::ValidIPV4)
      ->needs(port);
  command.add_option("--metrics-targets", metrics.targets, "keep this run on a list that Prometheus reads")
      ->type_name("FILE")
      ->needs(port);
  command
      .add_option_function<std::string>(
          "--metrics-push", [&metrics](const std::string& url) { metrics.push = checked_gateway(url); },
          "push the metrics to a Pushgateway at the end")
      ->type_name("URL");
}

/// A command that runs stages, with the options that all of these have.
void add_stages(CLI::App& app, CommandLine& line, const std::string& name, const std::string& about,
                Stage first, Stage last) {
  CLI::App* command = app.add_subcommand(name, about);
  command->add_option("CONFIG", line.target, "a YAML file; docs/configuration.md lists the keys")->required();
  command->add_option("--output", line.output, "the folder of the run; runs/<name> without it")
      ->type_name("DIR");
  command->add_option("--set", line.overrides, "another value for a key of the config; may be repeated")
      ->type_name("KEY.PATH=VALUE")
      ->allow_extra_args(false);
  add_choice<Stage>(
      *command, "--redo", "STAGE", kStages, [&line](Stage stage) { line.request.redo = stage; },
      "do this stage and those after it again");
  add_choice<Resume>(
      *command, "--resume", "WHEN", kResumes, [&line](Resume resume) { line.request.resume = resume; },
      "go on with a stage that was stopped: auto, where there is one (the default); must; never, begin anew");
  command->add_option("--max-hours", line.max_hours, "save what there is after so long, and stop")
      ->type_name("HOURS")
      ->check(CLI::PositiveNumber);
  add_choice<LogLevel>(
      *command, "--log-level", "LEVEL", kLevels, [&line](LogLevel level) { line.log_level = level; },
      "the least that is shown");
  add_choice<LogFormat>(
      *command, "--log-format", "FORMAT", kFormats, [&line](LogFormat format) { line.log_format = format; },
      "lines for people (text, the default), or one JSON object a line");
  add_metrics(*command, line.metrics);
  command->callback([&line, first, last] {
    line.verb = Verb::stages;
    line.request.first = first;
    line.request.last = last;
  });
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  CLI::App app{"weft: the wiring of a large neural assembly, from its activity", "weft"};
  app.footer(kFooter);
  app.require_subcommand(0, 1);
  bool version = false;
  app.add_flag("--version", version, "versions of weft and of what it was built with");

  add_stages(app, line, "run", "simulate, train, evaluate and report; complete stages are skipped",
             Stage::simulate, Stage::report);
  add_stages(app, line, "simulate", "make the dataset of a config", Stage::simulate, Stage::simulate);
  add_stages(app, line, "train", "recover the wiring from the dataset", Stage::train, Stage::train);
  add_stages(app, line, "evaluate", "compare what was recovered with the truth", Stage::evaluate,
             Stage::evaluate);
  add_stages(app, line, "report", "draw the panels and write report.html", Stage::report, Stage::report);

  CLI::App* config = app.add_subcommand("config", "print a config as resolved, every key with its value");
  bool reference = false;
  config->add_flag("--reference", reference, "print docs/configuration.md instead");
  config->add_option("CONFIG", line.target, "a YAML file");
  config->add_option("--set", line.overrides, "another value for a key")
      ->type_name("KEY.PATH=VALUE")
      ->allow_extra_args(false);
  config->callback([&] {
    if (!reference && line.target.empty()) throw CLI::RequiredError("CONFIG");
    line.verb = reference ? Verb::reference : Verb::config;
  });

  CLI::App* inspect =
      app.add_subcommand("inspect", "tell what a dataset, a checkpoint or a run's folder holds");
  inspect->add_option("PATH", line.target, "a file or folder")->required();
  inspect->callback([&line] { line.verb = Verb::inspect; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    line.verb = Verb::help;
  } catch (const CLI::ParseError& error) {
    throw UserError({"command line", error.what(), "", "see weft --help, or --help behind the command"});
  }
  if (version) line.verb = Verb::version;
  if (line.verb == Verb::help) line.help = app.help();
  return line;
}

}  // namespace weft
