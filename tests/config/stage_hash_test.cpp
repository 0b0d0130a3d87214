#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "weft/config/config.hpp"
#include "weft/config/schema.hpp"

namespace weft {
namespace {

constexpr Stage kStages[] = {Stage::simulate, Stage::train, Stage::evaluate, Stage::report};

/// Gives the field another value.
void change(const Field& field) {
  struct Change {
    void operator()(std::int64_t* v) const { ++*v; }
    void operator()(std::uint64_t* v) const { ++*v; }
    void operator()(int* v) const { ++*v; }
    void operator()(bool* v) const { *v = !*v; }
    void operator()(double* v) const { *v = 0.5 * *v + 0.125; }
    void operator()(std::optional<double>* v) const { *v = 0.55; }
    void operator()(std::string* v) const { *v += "x"; }
    void operator()(std::filesystem::path* v) const { *v += "x"; }
    void operator()(DeviceKind* v) const { *v = DeviceKind::cuda; }
    void operator()(ConnectivityDistribution* v) const { *v = ConnectivityDistribution::gaussian; }
    void operator()(TrainingMethod* v) const { *v = TrainingMethod::adam; }
    void operator()(DivergencePolicy* v) const { *v = DivergencePolicy::rewind; }
  };
  std::visit(Change{}, field);
}

bool should_matter(std::string_view path, Stage stage, bool recording) {
  static const std::set<std::string_view> never{
      "name", "device", "threads", "training.replicas", "training.divergence", "training.most_rewinds"};
  if (never.contains(path) || path.starts_with("checkpoint.") || path.starts_with("patience.")) return false;
  if (path == "seed") return true;
  if (path.starts_with("simulation.")) return stage == Stage::simulate || !recording;
  return stage != Stage::simulate;
}

void expect_only_keys_that_matter(const Config& config, bool recording) {
  for (const Key& key : config_keys()) {
    for (std::size_t item = 0; item < item_count(config, key); ++item) {
      Config changed = config;
      change(key.field(changed, item));
      for (const Stage stage : kStages) {
        EXPECT_EQ(stage_hash(changed, stage) != stage_hash(config, stage),
                  should_matter(key.path, stage, recording))
            << key.path_of(item) << " in stage " << static_cast<int>(stage);
      }
    }
  }
}

TEST(StageHash, ChangesExactlyWithTheKeysThatMatter) {
  expect_only_keys_that_matter(parse_config("", "c.yaml"), false);
}

TEST(StageHash, OfARecordingIgnoresTheSimulation) {
  expect_only_keys_that_matter(parse_config("data: {path: fish.h5}", "c.yaml"), true);
}

TEST(StageHash, ChangesWithTheNumberOfTypes) {
  const Config four = parse_config("", "c.yaml");
  Config three = four;
  three.simulation.types.pop_back();
  for (const Stage stage : kStages) EXPECT_NE(stage_hash(four, stage), stage_hash(three, stage));
}

TEST(StageHash, DoesNotDependOnHowAValueWasWritten) {
  const Config plain = parse_config("training: {steps: 20000, loss: {l1: 0.0}}", "a.yaml");
  const Config other = parse_config("training: {loss: {l1: -0}, steps: 2e4}", "b.yaml", {"threads=2"});
  for (const Stage stage : kStages) EXPECT_EQ(stage_hash(plain, stage), stage_hash(other, stage));
}

TEST(StageHash, Is16HexadecimalDigitsAndDiffersByStage) {
  const Config config = parse_config("", "c.yaml");
  std::set<std::string> hashes;
  for (const Stage stage : kStages) {
    hashes.insert(stage_hash(config, stage));
    EXPECT_TRUE(std::regex_match(stage_hash(config, stage), std::regex("[0-9a-f]{16}")));
  }
  EXPECT_EQ(hashes.size(), 4u);
}

}  // namespace
}  // namespace weft
