#include "weft/app/program.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <omp.h>

#include "weft/app/command_line.hpp"
#include "weft/app/inspect.hpp"
#include "weft/app/pipeline.hpp"
#include "weft/comm/heartbeat.hpp"
#include "weft/comm/mpi_communicator.hpp"
#include "weft/comm/traffic.hpp"
#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"
#include "weft/core/version.hpp"
#include "weft/device/device_choice.hpp"
#include "weft/io/files.hpp"
#include "weft/io/hdf5.hpp"
#include "weft/model/device_failure.hpp"
#include "weft/model/tensor_kernels.hpp"
#include "weft/model/threads.hpp"
#include "weft/ops/host_name.hpp"
#include "weft/ops/launcher_check.hpp"
#include "weft/ops/memory.hpp"
#include "weft/ops/progress_line.hpp"
#include "weft/ops/run_lock.hpp"
#include "weft/ops/stop_request.hpp"

#include "app/closing_table.hpp"

namespace weft {
namespace {

int code(ExitCode exit_code) { return static_cast<int>(exit_code); }

void print(const std::string& text) { fmt::print("{}", text); }

std::string version_text() {
  const BuildInfo build = build_info();
  const auto or_none = [](std::string_view version) { return version.empty() ? "none" : version; };
  return fmt::format("weft {}\nLibTorch {}\nMPI {}\nHDF5 {}\nCUDA {}\nNCCL {}\n", version_line(), build.torch,
                     mpi_library_version(), hdf5::library_version(), or_none(build.cuda),
                     or_none(build.nccl));
}

/// The headline numbers of metrics.json, those that are there.
std::string summary(const RunFolder& folder) {
  const nlohmann::json metrics = nlohmann::json::parse(read_text(folder.metrics()));
  std::string text;
  for (const char* name :
       {"connectivity.r2", "connectivity.slope", "connectivity.r2_strict", "psi.max_error",
        "phi.relative_rms_error", "clusters.count", "clusters.accuracy", "validation.r2", "solver.residual",
        "error_bars.coverage_95", "timing.simulate_s", "timing.train_s"}) {
    std::string pointer = std::string("/") + name;
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    const nlohmann::json::json_pointer where(pointer);
    if (metrics.contains(where))
      text += fmt::format("  {:<24} {:.6g}\n", name, metrics.at(where).get<double>());
  }
  text += fmt::format("metrics   {}\npictures  {}\nreport    {}\n", folder.metrics().string(),
                      (folder.results() / "panel_*.png").string(), folder.report().string());
  return text;
}

/// Threads of this rank: as configured, else OMP_NUM_THREADS, else its share of the cores that it may use.
int choose_threads(const Config& config, int ranks_here) {
  if (config.threads > 0) return config.threads;
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return omp_get_max_threads();
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cores / ranks_here, 1, omp_get_num_procs());
}

void check_agreement(Communicator& world, const std::string& place, const std::string& what,
                     const std::string& own) {
  const std::string first = broadcast_text(world, own);
  collectively(world, [&] {
    if (own == first) return;
    throw UserError({place, fmt::format("this rank has {} than rank 0", what), "the same on every rank",
                     "check that all nodes see the same file and that every rank gets the same arguments"});
  });
}

/// What the ranks must have in common beside the config.
std::string request_text(const CommandLine& line) {
  const Request& request = line.request;
  return fmt::format("{} {} {} {}", static_cast<int>(request.first), static_cast<int>(request.last),
                     request.redo ? stage_name(*request.redo) : "", line.output.string()) +
         fmt::format(" {}", static_cast<int>(request.resume));
}

/// The config of this rank; all ranks must have read the same, and have been asked for the same. @collective
Config agreed_config(Communicator& world, const CommandLine& line) {
  Config config;
  collectively(world, [&] { config = load_config(line.target, line.overrides); });
  check_agreement(world, line.target.string(), "another config", to_yaml(config));
  check_agreement(world, "command line", "another command, --output, --redo or --resume", request_text(line));
  return config;
}

/// What this rank computes on: the host for stages that only look at results. @collective
ChosenDevice open_device(const MpiSession& session, Communicator& world, const Config& config,
                         const Request& request) {
  const bool computes = request.covers(Stage::simulate) || request.covers(Stage::train);
  const RankPlace place{world.rank(), host_name(), session.rank_on_this_node(), session.ranks_on_this_node()};
  ChosenDevice chosen = choose_device(world, computes ? config.device : DeviceKind::cpu, place,
                                      {survey_cuda, open_cuda_device});
  if (!chosen.device->is_host()) serve_tensors(*chosen.device);
  return chosen;
}

Patience patience_of(const PatienceConfig& config) {
  return {config.heartbeat, config.step, config.collective, config.checkpoint, config.read};
}

/// For the heartbeat's thread, where nothing may throw.
MemoryUse memory_use() {
  try {
    const MachineMemory machine = machine_memory();
    return {resident_bytes(), peak_resident_bytes(), machine.available, machine.total};
  } catch (const std::exception&) {  // what cannot be told is 0
    return {};
  }
}

/// What the heartbeat's thread does where a rank is lost: the main thread may be waiting for it for ever.
void end_at_once(const Alarm& alarm) {
  if (alarm.leads) log_failure(alarm.words);
  std::_Exit(code(ExitCode::failure));
}

void run_stages(const MpiSession& session, Communicator& control, const CommandLine& line,
                std::optional<StopRequest>& stop, RunHold& hold) {
  set_log_style({control.rank(), control.size(), line.log_format});
  // Of the other ranks only what is wrong.
  log_to_terminal(control.rank() == 0 ? line.log_level : std::max(line.log_level, LogLevel::warning));
  collectively(control, [&] { check_launcher(control.size()); });
  const Config config = agreed_config(control, line);
  collectively(control, [&] { stop.emplace(StopRequest::Options{line.max_hours, control.rank() == 0}); });
  const auto board = std::make_shared<RankBoard>();
  const Heartbeat heartbeat(control, patience_of(config.patience), end_at_once, {memory_use, board});
  const RunFolder folder{line.output.empty() ? std::filesystem::path("runs") / config.name : line.output};
  const int threads = choose_threads(config, session.ranks_on_this_node());
  set_threads(threads);
  return_freed_memory();
  const ChosenDevice chosen = open_device(session, control, config, line.request);
  Device& device = *chosen.device;
  const std::unique_ptr<Communicator> connected = counted(device.connect(session.world()));
  Communicator& world = *connected;

  ProgressLine progress(line.log_format == LogFormat::json ? ProgressLine::in_log()
                                                           : ProgressLine::on_stderr());
  const bool shows = world.rank() == 0 && line.log_level <= LogLevel::info;
  const StageContext context{device, world,   config,
                             folder, threads, shows ? progress.sink() : ProgressSink(),
                             *stop,  nullptr, chosen.why_host};
  try {
    run_pipeline(context, line.request, {line.metrics, board}, hold);
  } catch (const Stopped&) {
    progress.finish();
    log_where_time_went(std::nullopt);  // there may be no time left to measure anything
    throw;
  }
  progress.finish();
  log_where_time_went(measure_limits(context));
  if (world.rank() == 0 && line.request.last == Stage::report) print(summary(folder));
  if (line.request.covers(Stage::train) || line.request.covers(Stage::evaluate)) check_verdict(world, folder);
}

/// How long a rank that failed waits for the others to fail too, before it ends them.
constexpr double kPatience_s = 5;

/// What all ranks know of is said once, by rank 0, and all end in order; otherwise the rank that failed
/// speaks and ends the others, which may be waiting for it.
int fail(const MpiSession& session, const Communicator& world, ExitCode exit_code, const std::string& what,
         std::optional<MetricsService>& metrics) {
  const auto end_metrics = [&] {
    if (metrics) metrics->end(code(exit_code));
  };
  if (session.everyone_arrives(kPatience_s)) {
    if (world.rank() == 0) log_failure(what);
    end_metrics();
    return code(exit_code);
  }
  const Whereabouts where = whereabouts();
  log_failure(fmt::format("rank {} on {}: {} (stage {}, step {})", world.rank(), host_name(), what,
                          where.stage, where.step));
  end_metrics();
  session.abort(code(exit_code));
}

/// How a program ends that MPI cannot run in; nothing where it can.
std::optional<int> refused_launch() {
  try {
    check_direct_launch();
    return std::nullopt;
  } catch (const UserError& mistake) {
    if (speaks_for_all_tasks()) log_failure(mistake.what());
    return code(ExitCode::user_mistake);
  }
}

/// A wrong command line is every rank's mistake, for one of them to tell; only MPI knows who they are.
int refuse_arguments(int& argc, char**& argv, const UserError& mistake) {
  if (const auto refused = refused_launch()) return *refused;
  const MpiSession session(argc, argv);
  const std::unique_ptr<Communicator> world = session.world();
  std::optional<MetricsService> none;
  return fail(session, *world, ExitCode::user_mistake, mistake.what(), none);
}

bool begins_anew(const Request& request) {
  return request.redo.has_value() || request.resume == Resume::never;
}

/// How the run went wrong, in the words that a user gets.
struct Failure {
  ExitCode exit_code;
  std::string words;
};

/// Of the exception that is being handled.
Failure failure_of(const CommandLine& line) {
  try {
    throw;
  } catch (const Stopped& stopped) {
    return {ExitCode::stopped,
            fmt::format("stopped: {}; the same command{} goes on from there", stopped.what(),
                        begins_anew(line.request) ? ", without --redo and --resume never," : "")};
  } catch (const UserError& error) {
    return {ExitCode::user_mistake, error.what()};
  } catch (const std::bad_alloc&) {
    return {ExitCode::user_mistake,
            "not enough memory on this machine; start ranks on more machines, or take fewer neurons, "
            "trajectories or frames a batch"};
  } catch (const std::exception& error) {
    if (const auto words = words_of_device_failure(error)) return {ExitCode::user_mistake, *words};
    return {ExitCode::failure, error.what()};
  }
}

int run_under_mpi(int& argc, char**& argv, const CommandLine& line) {
  set_log_style({0, 1, line.log_format});
  if (const auto refused = refused_launch()) return *refused;
  std::optional<StopRequest> stop;  // to the very end: a signal that comes late must not kill a rank
  RunHold hold;                     // likewise the lock: where this rank has failed, others may still write
  const MpiSession session(argc, argv);
  const std::unique_ptr<Communicator> world = session.world();
  try {
    run_stages(session, *world, line, stop, hold);
    if (hold.metrics) hold.metrics->end(code(ExitCode::done));
    return code(ExitCode::done);
  } catch (...) {
    const Failure failure = failure_of(line);
    return fail(session, *world, failure.exit_code, failure.words, hold.metrics);
  }
}

int run_locally(const CommandLine& line) {
  switch (line.verb) {
    case Verb::config:
      print(to_yaml(load_config(line.target, line.overrides)));
      break;
    case Verb::reference:
      print(configuration_reference());
      break;
    case Verb::inspect:
      print(inspect(line.target));
      break;
    case Verb::version:
      print(version_text());
      break;
    case Verb::help:
      print(line.help);
      break;
    case Verb::stages:
      throw InternalError("stages run under MPI");
  }
  return code(ExitCode::done);
}

}  // namespace

int run_program(int argc, char** argv) {
  try {
    CommandLine line;
    try {
      line = parse_command_line(argc, argv);
    } catch (const UserError& mistake) {
      return refuse_arguments(argc, argv, mistake);
    }
    return line.verb == Verb::stages ? run_under_mpi(argc, argv, line) : run_locally(line);
  } catch (const UserError& error) {
    log_failure(error.what());
    return code(ExitCode::user_mistake);
  } catch (const std::exception& error) {
    log_failure(error.what());
    return code(ExitCode::failure);
  }
}

}  // namespace weft
