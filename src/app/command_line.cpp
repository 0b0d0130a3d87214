#include "weft/app/command_line.hpp"

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
