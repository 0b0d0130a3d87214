#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// One neuron type of dx/dt = -x/tau + s tanh(x) + g sum_j W_ij tanh(x_j) (Allier et al. 2026, equation 2).
struct NeuronTypeConfig {
  double gain = 10;          ///< g
  double self_coupling = 1;  ///< s
  double tau = 1;            ///< time constant [time units]
};

enum class ConnectivityDistribution { cauchy, gaussian };

struct ConnectivityConfig {
  ConnectivityDistribution distribution = ConnectivityDistribution::cauchy;
  double cutoff = 25;  ///< Cauchy draws beyond it become 0
  std::optional<double>
      exponent;         ///< weights are divided by N^exponent; absent: the rule of the published code
  double sparsity = 0;  ///< fraction of the connections that are absent
};

struct SimulationConfig {
  std::int64_t neurons = 1000;
  std::int64_t frames = 4000;               ///< recorded frames of each trajectory
  std::int64_t burn_in = 1000;              ///< steps before the first recorded frame
  double dt = 0.01;                         ///< [time units]
  double noise = 1;                         ///< standard deviation added to x at each step
  std::int64_t trajectories = 1;            ///< independent runs side by side
  std::optional<double> derivative_snr_db;  ///< of observation noise on the recorded derivative; absent: none
  std::vector<NeuronTypeConfig> types;
  ConnectivityConfig connectivity;
};

struct DataConfig {
  std::filesystem::path path;  ///< a dataset to train on; empty: the simulated one
};

/// adam: the paper's gradient training. varpro: the closed form, by variable projection.
enum class TrainingMethod { adam, varpro };

/// What a training does when its loss or its weights are no longer finite.
enum class DivergencePolicy { stop, rewind };

struct LearningRateConfig {
  double connectivity = 1e-3;
  double embedding = 5e-4;
  double phi = 5e-5;
  double psi = 5e-5;
};

struct LossConfig {
  double phi_zero = 1;
  double psi_monotone = 100;
  double l1 = 0;  ///< on W: l1 * sum |W_ij|
  double l2 = 0;  ///< on W: l2 * sum W_ij^2
};

struct TrainingConfig {
  TrainingMethod method = TrainingMethod::varpro;
  std::int64_t steps = 20000;
  std::int64_t batch_size = 8;   ///< frames of one step, over all replicas
  std::int64_t epoch_steps = 0;  ///< Adam's state is cleared each so many steps; 0: never
  int replicas = 1;
  double final_rate =
      1;  ///< learning rates fall to this fraction by the last step, along a cosine; 1: constant
  LearningRateConfig learning_rate;
  LossConfig loss;
  std::filesystem::path initial_model;  ///< adam: a run folder or checkpoint to go on from; empty: none
  std::int64_t psi_splines = 48;        ///< varpro: K, cubic B-splines of psi, of each group
  std::int64_t phi_splines = 40;        ///< varpro: M, cubic B-splines of each phi
  std::filesystem::path psi_groups;     ///< varpro: groups with a psi of their own: "", "types" or a file
  DivergencePolicy divergence = DivergencePolicy::stop;  ///< adam: when the loss is no longer finite
  std::int64_t most_rewinds = 3;                         ///< adam: until it stops all the same
  bool tf32 = false;                    ///< varpro on a GPU: products from factors rounded to 10 bits
};

/// When the state of a stage under way is saved, and how many of these are kept.
struct CheckpointConfig {
  double interval = 300;   ///< [s] from one to the next; 0: only where the run is stopped
  std::int64_t keep = 2;   ///< the newest so many
  std::int64_t major = 0;  ///< and every so manieth, for good; 0: none
};

/// How long nothing may come from a rank before the run is given up [s].
struct PatienceConfig {
  double heartbeat = 30;     ///< no sign of life at all
  double step = 1800;        ///< between two steps of a stage
  double collective = 1800;  ///< in one collective, while no rank reads or writes
  double checkpoint = 7200;  ///< writing a checkpoint or a result
  double read = 7200;        ///< reading a dataset or a checkpoint
};

enum class DeviceKind { automatic, cpu, cuda };

/// A whole run, as resolved: every key has its value.
struct Config {
  std::string name;
  std::uint64_t seed = 42;
  DeviceKind device = DeviceKind::automatic;
  int threads = 0;  ///< of each rank; 0: the cores of the machine shared out over its ranks
  SimulationConfig simulation;
  DataConfig data;
  TrainingConfig training;
  CheckpointConfig checkpoint;
  PatienceConfig patience;
};

/// `key.path=value` of the command line.
using Overrides = std::vector<std::string>;

/// Reads a YAML file and applies overrides. Local.
/// @throws UserError for an unknown key (with file, line and the nearest known key), a wrong type or a value
/// out of
///   range (with what is allowed), a missing file, an override that names no key.
Config load_config(const std::filesystem::path& file, const Overrides& overrides = {});
/// The same from text; `origin` stands for the file's name in errors.
Config parse_config(const std::string& yaml, const std::string& origin, const Overrides& overrides = {});

/// The resolved config as YAML that `load_config` reads back to the same values. Local.
std::string to_yaml(const Config& config);

enum class Stage { simulate, train, evaluate, report };

/// The name of a stage, as the command line and messages have it. Local.
std::string stage_name(Stage stage);

/// A hash of the keys that decide what a stage writes: its own keys and those of the stages before it.
/// `threads` and `name` decide nothing. 16 hexadecimal digits. Local.
std::string stage_hash(const Config& config, Stage stage);

/// docs/configuration.md, written from the schema: every key with its type, default, range and meaning.
/// Local.
std::string configuration_reference();

}  // namespace weft
