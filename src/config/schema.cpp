#include "weft/config/schema.hpp"

#include <fmt/format.h>

#include "field.hpp"

namespace weft {
namespace {

constexpr Range kAny{};
constexpr Range kPositive{.low = 0, .low_excluded = true};
constexpr Range kNotNegative{.low = 0};

const std::vector<Stage> kEveryStage{Stage::simulate, Stage::train, Stage::evaluate, Stage::report};
const std::vector<Stage> kNoStage{};
const std::vector<Stage> kSimulate{Stage::simulate};
const std::vector<Stage> kTrain{Stage::train};

/// A key's place in a Config, from an expression in `c` and, in a list, `item`.
#define WEFT_FIELD(expression) \
  [](Config& c, [[maybe_unused]] std::size_t item) -> Field { return &(expression); }

const std::vector<Key>& keys() {
  static const std::vector<Key> table{
      {"name", WEFT_FIELD(c.name), kAny, kNoStage,
       "Names the run and its folder, `runs/<name>`; by default the config file's name without its ending."},
      {"seed",
       WEFT_FIELD(c.seed),
       {.low = 0, .high = 0x1p64},
       kEveryStage,
       "Decides every random number of the run."},
      {"device", WEFT_FIELD(c.device), kAny, kNoStage,
       "Where the work is done: `cpu`; `cuda`, one GPU for each rank, refused where a rank has none; `auto`, "
       "GPUs where every rank has one of its own, else the CPU. [gpu.md](gpu.md) says who gets which."},
      {"threads",
       WEFT_FIELD(c.threads),
       {.low = 0, .high = 4096},
       kNoStage,
       "Threads of each rank; 0: OMP_NUM_THREADS if it is set, else the cores of the machine shared out over "
       "its ranks."},

      {"simulation.neurons",
       WEFT_FIELD(c.simulation.neurons),
       {.low = 2, .high = 1e7},
       kSimulate,
       "N, the size of the assembly; at least as many as there are types."},
      {"simulation.frames",
       WEFT_FIELD(c.simulation.frames),
       {.low = 2, .high = 1e12},
       kSimulate,
       "Recorded frames of each trajectory."},
      {"simulation.burn_in",
       WEFT_FIELD(c.simulation.burn_in),
       {.low = 0, .high = 1e12},
       kSimulate,
       "Steps before the first recorded frame, so that the start is forgotten."},
      {"simulation.dt", WEFT_FIELD(c.simulation.dt), kPositive, kSimulate, "Time step [time units]."},
      {"simulation.noise", WEFT_FIELD(c.simulation.noise), kNotNegative, kSimulate,
       "Standard deviation of the normal number added to each x at each step; not scaled by sqrt(dt)."},
      {"simulation.trajectories",
       WEFT_FIELD(c.simulation.trajectories),
       {.low = 1, .high = 1e6},
       kSimulate,
       "Independent runs of the same assembly, simulated side by side."},
      {"simulation.derivative_snr_db",
       WEFT_FIELD(c.simulation.derivative_snr_db),
       {.low = -100, .high = 200},
       kSimulate,
       "Signal-to-noise ratio [dB] of normal observation noise on the recorded derivative; the dynamics are "
       "free of it; `none`: no such noise.",
       "none"},

      {"simulation.connectivity.distribution", WEFT_FIELD(c.simulation.connectivity.distribution), kAny,
       kSimulate,
       "Law of the weights before they are divided by N^exponent: standard Cauchy or standard normal."},
      {"simulation.connectivity.cutoff", WEFT_FIELD(c.simulation.connectivity.cutoff), kPositive, kSimulate,
       "Cauchy draws larger than this in size become 0."},
      {"simulation.connectivity.exponent", WEFT_FIELD(c.simulation.connectivity.exponent), kNotNegative,
       kSimulate, "Weights are divided by N to this power; `auto` is the rule below.", "auto"},
      {"simulation.connectivity.sparsity",
       WEFT_FIELD(c.simulation.connectivity.sparsity),
       {.low = 0, .high = 1, .high_excluded = true},
       kSimulate,
       "Fraction of the connections that are absent, drawn at random."},

      {"simulation.types[].gain", WEFT_FIELD(c.simulation.types.at(item).gain), kAny, kSimulate,
       "g, the strength of the input from the other neurons."},
      {"simulation.types[].self_coupling", WEFT_FIELD(c.simulation.types.at(item).self_coupling), kAny,
       kSimulate, "s, the strength with which a neuron excites itself."},
      {"simulation.types[].tau", WEFT_FIELD(c.simulation.types.at(item).tau), kPositive, kSimulate,
       "Time constant of the decay [time units]."},

      {"data.path", WEFT_FIELD(c.data.path), kAny, kTrain,
       "A dataset to train on in place of the simulated one; relative paths start at the working directory; "
       "empty: simulate."},

      {"training.method", WEFT_FIELD(c.training.method), kAny, kTrain,
       "How the model is fitted: `varpro` in closed form, by variable projection; `adam` by gradient steps, "
       "as in the "
       "paper."},
      {"training.steps",
       WEFT_FIELD(c.training.steps),
       {.low = 1, .high = 1e12},
       kTrain,
       "Of `adam`: gradient steps."},
      {"training.batch_size",
       WEFT_FIELD(c.training.batch_size),
       {.low = 1, .high = 1e6},
       kTrain,
       "Of `adam`: frames of one step, over all replicas."},
      {"training.epoch_steps",
       WEFT_FIELD(c.training.epoch_steps),
       {.low = 0, .high = 1e12},
       kTrain,
       "Of `adam`: its state is cleared each so many steps; 0: never."},
      {"training.replicas",
       WEFT_FIELD(c.training.replicas),
       {.low = 1, .high = 1e6},
       kNoStage,
       "Groups of ranks that hold the same rows of W and share out the frames; with `adam` those of each "
       "batch, and "
       "batch_size is a multiple of it."},
      {"training.final_rate",
       WEFT_FIELD(c.training.final_rate),
       {.low = 0, .high = 1},
       kTrain,
       "Of `adam`: learning rates fall to this fraction of themselves by the last step, along a cosine; 1: "
       "constant."},
      {"training.initial_model", WEFT_FIELD(c.training.initial_model), kAny, kTrain,
       "Of `adam`: a run folder or a checkpoint whose model the training goes on from; relative paths start "
       "at the "
       "working directory; empty: it starts at random."},
      {"training.psi_splines",
       WEFT_FIELD(c.training.psi_splines),
       {.low = 4, .high = 1000},
       kTrain,
       "Of `varpro`: K, the cubic B-splines that make up psi, in each group."},
      {"training.phi_splines",
       WEFT_FIELD(c.training.phi_splines),
       {.low = 4, .high = 1000},
       kTrain,
       "Of `varpro`: M, the cubic B-splines that make up each phi."},
      {"training.psi_groups", WEFT_FIELD(c.training.psi_groups), kAny, kTrain,
       "Of `varpro`: presynaptic groups with a psi of their own: `types` for the types of the simulation, or "
       "a text "
       "file with the group number of one neuron a line; empty: all share one psi."},
      {"training.tf32", WEFT_FIELD(c.training.tf32), kAny, kTrain,
       "Of `varpro` on a GPU: matrix products by tensor cores, which round each float32 factor to 10 bits of "
       "mantissa: faster, and less exact. Without effect on the CPU."},

      {"training.learning_rate.connectivity", WEFT_FIELD(c.training.learning_rate.connectivity), kNotNegative,
       kTrain, "Of W."},
      {"training.learning_rate.embedding", WEFT_FIELD(c.training.learning_rate.embedding), kNotNegative,
       kTrain, "Of the latent vectors a."},
      {"training.learning_rate.phi", WEFT_FIELD(c.training.learning_rate.phi), kNotNegative, kTrain,
       "Of the update function phi."},
      {"training.learning_rate.psi", WEFT_FIELD(c.training.learning_rate.psi), kNotNegative, kTrain,
       "Of the transfer function psi."},

      {"training.loss.phi_zero", WEFT_FIELD(c.training.loss.phi_zero), kNotNegative, kTrain,
       "Weight of the norm of phi(a, 0) over the neurons, which keeps constants out of phi."},
      {"training.loss.psi_monotone", WEFT_FIELD(c.training.loss.psi_monotone), kNotNegative, kTrain,
       "Weight of the norm of the falls of psi over the frame's activities, which makes psi increase."},
      {"training.loss.l1", WEFT_FIELD(c.training.loss.l1), kNotNegative, kTrain,
       "Weight of the sum of abs(W_ij)."},
      {"training.loss.l2", WEFT_FIELD(c.training.loss.l2), kNotNegative, kTrain,
       "Weight of the sum of W_ij^2."},

      {"training.divergence", WEFT_FIELD(c.training.divergence), kAny, kNoStage,
       "Of `adam`, where the loss or a weight is no longer finite: `stop`, with the last good checkpoint "
       "named; `rewind`, back to that checkpoint with half the learning rates."},
      {"training.most_rewinds",
       WEFT_FIELD(c.training.most_rewinds),
       {.low = 1, .high = 100},
       kNoStage,
       "Of `adam`: how often it goes back before it stops all the same."},

      {"checkpoint.interval", WEFT_FIELD(c.checkpoint.interval), kNotNegative, kNoStage,
       "Time from one checkpoint of a stage under way to the next [s]; 0: only where the run is stopped."},
      {"checkpoint.keep",
       WEFT_FIELD(c.checkpoint.keep),
       {.low = 2, .high = 1e6},
       kNoStage,
       "So many of the newest checkpoints are kept."},
      {"checkpoint.major",
       WEFT_FIELD(c.checkpoint.major),
       {.low = 0, .high = 1e6},
       kNoStage,
       "Every checkpoint whose number, counted from the start of the training, is a multiple of this is kept "
       "for good; 0: none."},

      {"patience.heartbeat",
       WEFT_FIELD(c.patience.heartbeat),
       {.low = 1, .high = 1e6},
       kNoStage,
       "How long there may be no sign of life from a rank [s]."},
      {"patience.step", WEFT_FIELD(c.patience.step), kPositive, kNoStage,
       "How long one step of a stage may take [s]."},
      {"patience.collective", WEFT_FIELD(c.patience.collective), kPositive, kNoStage,
       "How long ranks may wait for each other in one collective, while none of them reads or writes [s]."},
      {"patience.checkpoint", WEFT_FIELD(c.patience.checkpoint), kPositive, kNoStage,
       "How long the writing of a checkpoint or a result may take [s]."},
      {"patience.read", WEFT_FIELD(c.patience.read), kPositive, kNoStage,
       "How long the reading of a dataset or a checkpoint may take [s]."},
  };
  return table;
}

#undef WEFT_FIELD

}  // namespace

bool Range::contains(double value) const {
  const bool above = low_excluded ? value > low : value >= low;
  const bool below = high_excluded ? value < high : value <= high;
  return above && below;
}

std::string Key::path_of(std::size_t item) const {
  std::string result(path);
  if (const auto at = result.find("[]"); at != std::string::npos)
    result.replace(at, 2, fmt::format(".{}", item));
  return result;
}

std::span<const Key> config_keys() { return keys(); }

std::span<const Section> config_sections() {
  static constexpr Section table[] = {
      {"", "The run as a whole."},
      {"simulation", "The assembly that is simulated, unless `data.path` names a dataset."},
      {"simulation.connectivity", "W, drawn at random; its diagonal is 0."},
      {"simulation.types[]",
       "A list of neuron types, in contiguous blocks of equal size; the remainder of the neurons goes to the "
       "last. The "
       "list replaces the default one, the four types of the paper; a key that an item leaves out has the "
       "default "
       "below. An override names an item by its number, from 0: `--set simulation.types.3.tau=0.25`."},
      {"data", "A dataset that exists already."},
      {"training", "The fit of the model to the activity."},
      {"training.learning_rate", "The step sizes of `adam`; 0 keeps a part as it starts."},
      {"training.loss", "Of `adam`: weights of what is added to the norm of the residual."},
      {"checkpoint", "Saving the state of a stage under way; [reliability.md](reliability.md)."},
      {"patience", "When ranks that wait give up; [reliability.md](reliability.md)."},
  };
  return table;
}

Config default_config() {
  Config config;
  config.simulation.types = {{.gain = 10, .self_coupling = 1, .tau = 1},
                             {.gain = 10, .self_coupling = 2, .tau = 1},
                             {.gain = 10, .self_coupling = 1, .tau = 0.5},
                             {.gain = 10, .self_coupling = 2, .tau = 0.5}};
  return config;
}

std::size_t item_count(const Config& config, const Key& key) {
  return key.in_list() ? config.simulation.types.size() : 1;
}

std::string value_text(const Config& config, const Key& key, std::size_t item) {
  Config copy = config;  // the accessor wants a Config that it may point into
  return text_of(key, key.field(copy, item));
}

}  // namespace weft
