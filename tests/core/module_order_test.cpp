// The order of the modules: each may include only itself and those before it in this list.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/core/error.hpp"

#include "support/paths.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

constexpr std::array<std::string_view, 13> kModules = {"core",   "config", "comm",  "kernels", "device",
                                                       "sim",    "io",     "model", "train",   "eval",
                                                       "report", "ops",    "app"};

/// Where a module stands in the order; nothing for an unknown one.
std::optional<std::ptrdiff_t> place_in_order(std::string_view module) {
  const auto found = std::find(kModules.begin(), kModules.end(), module);
  if (found == kModules.end()) return std::nullopt;
  return found - kModules.begin();
}

bool may_see_torch(const std::filesystem::path& file, std::string_view module) {
  // What becomes libweft_cuda.so shares LibTorch's stream and memory.
  return module == "model" || module == "train" ||
         file.string().find("/src/device/cuda/") != std::string::npos;
}

/// What is wrong with including `header` in `file`, which is of `module`; empty where nothing is.
std::string complaint_about(std::string_view header, const std::filesystem::path& file,
                            const std::string& module) {
  const std::string_view tree = header.substr(0, header.find('/'));
  if ((tree == "ATen" || tree == "torch" || tree == "c10") && !may_see_torch(file, module)) {
    return "LibTorch stays in model, train and device/cuda";
  }
  if (module == "train" && header == "weft/io/truth.hpp") return "training must not see the truth";
  if (tree != "weft") return "";
  const std::string_view below_weft = header.substr(tree.size() + 1);
  const std::string included(below_weft.substr(0, below_weft.find('/')));
  const auto place = place_in_order(included);
  if (!place) return "there is no module " + included;
  return *place > place_in_order(module) ? module + " stands below " + included : "";
}

std::string_view without_spaces_before(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

/// The header that a line includes; empty where it includes none.
std::string_view included_header(std::string_view line) {
  line = without_spaces_before(line);
  if (!line.starts_with('#')) return "";
  line = without_spaces_before(line.substr(1));
  if (!line.starts_with("include")) return "";
  line = without_spaces_before(line.substr(std::string_view("include").size()));
  if (!line.starts_with('<') && !line.starts_with('"')) return "";
  return line.substr(1, line.find_first_of(">\"", 1) - 1);
}

std::vector<std::string> violations_of_file(const std::filesystem::path& path, const std::string& module) {
  std::ifstream file(path);
  std::vector<std::string> violations;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::string header(included_header(line));
    const std::string complaint = complaint_about(header, path, module);
    if (complaint.empty()) continue;
    violations.push_back(path.string() + ":" + std::to_string(number) + " includes " + header + ": " +
                         complaint);
  }
  return violations;
}

bool is_source(const std::filesystem::path& path) {
  static constexpr std::array<std::string_view, 5> kEndings = {".hpp", ".cpp", ".h", ".cu", ".cuh"};
  return std::find(kEndings.begin(), kEndings.end(), path.extension().string()) != kEndings.end();
}

/// The offending includes in all modules below `root`/include/weft and `root`/src, as "file:line includes
/// header: why".
std::vector<std::string> violations_below(const std::filesystem::path& root) {
  std::vector<std::string> violations;
  for (const auto& tree : {root / "include" / "weft", root / "src"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      const std::string module = entry.path().lexically_relative(tree).begin()->string();
      require(place_in_order(module).has_value(), entry.path().string() + " is in no module of the order");
      const auto of_file = violations_of_file(entry.path(), module);
      violations.insert(violations.end(), of_file.begin(), of_file.end());
    }
  }
  std::sort(violations.begin(), violations.end());
  return violations;
}

TEST(ModuleOrder, HoldsInTheWholeSource) {
  EXPECT_THAT(violations_below(source_folder()), testing::IsEmpty());
}

/// A source tree with one file, src/<module>/probe.cpp.
std::vector<std::string> violations_of(const std::string& module, const std::string& text) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "include" / "weft");
  std::filesystem::create_directories(folder.path() / "src" / module / "deeper");
  std::ofstream(folder.path() / "src" / module / "deeper" / "probe.cpp") << text;
  return violations_below(folder.path());
}

TEST(ModuleOrder, LetsAModuleIncludeItselfAndThoseBefore) {
  EXPECT_THAT(
      violations_of(
          "sim",
          "#include \"weft/sim/simulator.hpp\"\n#include \"weft/core/error.hpp\"\n#include <vector>\n"),
      testing::IsEmpty());
  EXPECT_THAT(violations_of("train", "#include <ATen/ATen.h>\n#include \"weft/io/dataset.hpp\"\n"),
              testing::IsEmpty());
  EXPECT_THAT(violations_of("eval", "#include \"weft/io/truth.hpp\"\n"), testing::IsEmpty());
}

TEST(ModuleOrder, NamesFileAndLineOfAnIncludeAgainstTheOrder) {
  EXPECT_THAT(violations_of("comm", "// first line\n  #  include \"weft/train/trainer.hpp\"  // why not\n"),
              testing::ElementsAre(testing::EndsWith(
                  "src/comm/deeper/probe.cpp:2 includes weft/train/trainer.hpp: comm stands below train")));
  EXPECT_THAT(violations_of("core", "#include <weft/config/config.hpp>\n"), testing::SizeIs(1));
}

TEST(ModuleOrder, KeepsTheTruthOutOfTraining) {
  EXPECT_THAT(violations_of("train", "#include \"weft/io/truth.hpp\"\n"),
              testing::ElementsAre(testing::EndsWith("training must not see the truth")));
}

TEST(ModuleOrder, KeepsLibTorchToItsModules) {
  for (const char* header : {"<ATen/core/Tensor.h>", "<torch/torch.h>", "\"c10/core/Device.h\""}) {
    EXPECT_THAT(violations_of("eval", std::string("#include ") + header + "\n"),
                testing::ElementsAre(testing::EndsWith("LibTorch stays in model, train and device/cuda")));
  }
}

TEST(ModuleOrder, KnowsEveryModule) {
  EXPECT_THAT(violations_of("app", "#include \"weft/extras/more.hpp\"\n"),
              testing::ElementsAre(testing::EndsWith("there is no module extras")));
  EXPECT_THROW(violations_of("extras", ""), InternalError);
}

}  // namespace
}  // namespace weft
