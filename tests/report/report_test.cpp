#include "weft/report/report.hpp"

#include <regex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/io/files.hpp"
#include "weft/report/html.hpp"

#include "made_up_run.hpp"
#include "support/temporary_folder.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> all_matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match)
    found.push_back((*match)[1]);
  return found;
}

/// Everything but the pictures' bytes, which may spell anything.
std::string without_pictures(const std::string& html) {
  std::string text;
  std::size_t at = 0;
  for (std::size_t begin; (begin = html.find("base64,", at)) != std::string::npos;) {
    text += html.substr(at, begin - at);
    at = html.find('"', begin);
  }
  return text + html.substr(at);
}

TEST(Report, IsOnePageThatLoadsNothing) {
  const TemporaryFolder folder;
  write_run(folder.path(), true);

  write_report(folder.path(), "0123456789abcdef");

  const std::string html = read_text(folder.path() / "results" / "report.html");
  const std::string text = without_pictures(html);
  const auto sources = all_matches(text, "src=\"([^\"]*)\"");
  EXPECT_EQ(sources.size(), 8U);
  for (const std::string& source : sources) EXPECT_THAT(source, StartsWith("data:image/png;"));
  for (const char* loader : {"href=", "url(", "@import", "http:", "https:", "<script", "<link", "<iframe"})
    EXPECT_THAT(text, Not(HasSubstr(loader)));
  EXPECT_THAT(text, HasSubstr("<meta name=\"weft-config-hash\" content=\"0123456789abcdef\">"));
}

TEST(Report, ShowsPanelsMetricsAndConfig) {
  const TemporaryFolder folder;
  write_run(folder.path(), true);

  write_report(folder.path(), "0");

  const std::string html = read_text(folder.path() / "results" / "report.html");
  const std::string text = without_pictures(html);
  EXPECT_THAT(text, HasSubstr("<b>0.9987</b>"));
  EXPECT_THAT(text, HasSubstr("connectivity.r2_strict"));
  EXPECT_THAT(text, HasSubstr("1.5 GiB"));
  EXPECT_THAT(text, HasSubstr("seed: 42"));
  EXPECT_THAT(html,
              HasSubstr(encode_base64(read_text(folder.path() / "results" / "panel_e_comparison.png"))));
  EXPECT_THAT(read_text(folder.path() / "results" / "panel_e_comparison.svg"), HasSubstr("slope = 1.020"));
  EXPECT_THAT(read_text(folder.path() / "results" / "panel_h_psi.svg"),
              HasSubstr("plateau not level: varies by 31 %"));
  EXPECT_THAT(text, HasSubstr("there it still varies by 31 % of that median"));
}

TEST(Report, TakesNameAndConfigLiterally) {
  const TemporaryFolder folder;
  write_run(folder.path(), true);

  write_report(folder.path(), "0");

  const std::string text = without_pictures(read_text(folder.path() / "results" / "report.html"));
  EXPECT_THAT(text, HasSubstr("<h1>name &lt;i&gt;&quot;R&amp;D&quot;&lt;/i&gt;</h1>"));
  EXPECT_THAT(text, HasSubstr("&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
}

TEST(Report, DoesWithoutTruthAndCheckpoint) {
  const TemporaryFolder folder;
  write_run(folder.path(), false);
  std::filesystem::remove_all(folder.path() / "checkpoints");

  write_report(folder.path(), "0");

  const std::string text = without_pictures(read_text(folder.path() / "results" / "report.html"));
  EXPECT_EQ(all_matches(text, "(<figure)").size(), 5U);
  EXPECT_THAT(text, Not(HasSubstr("R²")));
}

TEST(Report, NamesTheMetricsThatAreNotJson) {
  const TemporaryFolder folder;
  write_run(folder.path(), true);
  write_text_atomically(folder.path() / "results" / "metrics.json", "{\"connectivity\": ");

  expect_user_error([&] { write_report(folder.path(), "0"); }, {"metrics.json", "evaluate the run again"});

  EXPECT_FALSE(std::filesystem::exists(folder.path() / "results" / "report.html"));
}

TEST(Report, NamesTheEvaluationThatIsMissing) {
  const TemporaryFolder folder;
  write_run(folder.path(), true);
  std::filesystem::remove(folder.path() / "results" / "evaluation.h5");

  expect_user_error([&] { write_report(folder.path(), "0"); }, {"evaluation.h5"});
}

}  // namespace
}  // namespace weft
