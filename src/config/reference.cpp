#include <fmt/format.h>

#include "weft/config/schema.hpp"

#include "field.hpp"

namespace weft {
namespace {

constexpr std::string_view kIntroduction = R"(# Configuration

<!-- Written from the schema by `weft config --reference > docs/configuration.md`; a test holds the two together. -->

A run is described by one YAML file. Its values come from three places, each of which overrides the one before it:

1. **Defaults.** Every key has one, so that a file says only what differs. An empty file is a valid config.
2. **The file.** It is read strictly: an unknown key, a key given twice, a value of the wrong type or out of range ends
   the program before anything is written, with the file, the line, what was found, what is allowed, and the nearest
   known key. Quotes make a text of a number (`"100"` is refused where a number belongs); a whole number may be written
   `20000`, `2e4` or `20000.0`. A section with nothing below it keeps its defaults.
3. **Overrides.** `--set key.path=value` sets one key, in the order given. The value is YAML, so that a section
   (`--set 'training.loss={l1: 1e-5, l2: 0}'`) or one item of a list (`--set simulation.types.0.gain=5`) can be set too.

`weft config CONFIG` prints all keys with the values that come of it. That is what each run keeps in its own folder as
`config.yaml`, and a run from that file is the same run. What the keys of `training` stand for, with formulas, is told
in [training.md](training.md).

## Example

)";

constexpr std::string_view kExample = R"(name: two_types
seed: 7
device: cpu

simulation:
  neurons: 500
  frames: 20000
  noise: 1
  connectivity:
    distribution: cauchy
    sparsity: 0.5
  types:
    - {gain: 10, self_coupling: 1, tau: 1}
    - {gain: 10, self_coupling: 2, tau: 0.5}

training:
  method: adam
  steps: 1e5
  batch_size: 8
  final_rate: 0.1
  learning_rate:
    connectivity: 1e-3
    psi: 5e-4
  loss:
    psi_monotone: 100
    l1: 1e-5
)";

constexpr std::string_view kDecidesText = R"(
## Keys

*Decides* names the first stage whose files depend on the value. Each stage keeps a hash of the keys that decide its
files, those of the stages before it included. `weft run` skips a stage whose files are complete for its hash, and
refuses where the hash has changed: `--redo STAGE` then makes them anew, another `--output` keeps both. When
`data.path` is set, nothing is simulated and the keys of `simulation` decide nothing from the training on. A key that
decides nothing may be changed at any time; results then agree to rounding.
)";

constexpr std::string_view kExponentRule = R"(
With `exponent: auto`, a standard draw is multiplied by a scale that depends on N:

| N | Cauchy |
|---|---|
| below 2000 | N^-0.70 |
| 2000 to 3999 | N^-0.675 |
| 4000 to 7999 | N^-0.67 |
| 8000 | N^-0.66 |
| above 8000 | 8000^-0.66 sqrt(8000 / N) |

Up to 8000 neurons this is the rule of the code published with Allier et al. 2026. Beyond, it is ours: sigma sqrt(N),
which sets the strength of the input to a neuron, stays where it is at 8000. `gaussian` draws are multiplied by the same
scale and by 3.865, the standard deviation of a Cauchy draw cut at 25, so that both laws drive a neuron equally.
)";

std::string_view parent_of(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::string default_text(const Key& key) {
  return key.path == "name" ? "the file's name" : fmt::format("`{}`", value_text(default_config(), key));
}

std::string row(const Key& key) {
  const std::string decides = key.matters_to.empty() ? "nothing" : stage_name(key.matters_to.front());
  return fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", key.path, type_of(key), default_text(key),
                     range_text(key.range), decides, key.meaning);
}

std::string section_text(const Section& section) {
  std::string rows;
  for (const Key& key : config_keys()) {
    if (parent_of(key.path) == section.path) rows += row(key);
  }
  const std::string title = section.path.empty() ? "The whole file" : fmt::format("`{}`", section.path);
  return fmt::format(
      "\n### {}\n\n{}\n\n| key | type | default | range | decides | meaning |\n|---|---|---|---|---|---|\n{}",
      title, section.meaning, rows);
}

/// The paper's types, as the default config holds them.
std::string default_types() {
  const Config config = default_config();
  std::string text = "\nThe default list:\n\n| type | g | s | tau |\n|---|---|---|---|\n";
  for (std::size_t i = 0; i < config.simulation.types.size(); ++i) {
    const NeuronTypeConfig& type = config.simulation.types[i];
    text += fmt::format("| {} | {} | {} | {} |\n", i, type.gain, type.self_coupling, type.tau);
  }
  return text;
}

}  // namespace

std::string configuration_reference() {
  std::string text = fmt::format("{}```yaml\n{}```\n{}", kIntroduction, kExample, kDecidesText);
  for (const Section& section : config_sections()) {
    text += section_text(section);
    if (section.path == "simulation.connectivity") text += kExponentRule;
    if (section.path == "simulation.types[]") text += default_types();
  }
  return text;
}

}  // namespace weft
