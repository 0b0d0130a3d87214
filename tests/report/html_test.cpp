#include "weft/report/html.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(EscapeHtml, ReplacesAllThatHtmlReads) {
  EXPECT_EQ(escape_html(R"(<a href="x" id='y'>R&D</a>)"),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;R&amp;D&lt;/a&gt;");
  EXPECT_EQ(escape_html("φ* — plain"), "φ* — plain");
}

TEST(Base64, AgreesWithTheVectorsOfRfc4648) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foo"), "Zm9v");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encode_base64(std::string("\xff\xfe\x00\x80", 4)), "//4AgA==");
}

TEST(RenderHtml, TakesEveryTextLiterally) {
  const std::string hostile = "<script>'\"&";
  ReportPage page;
  page.title = page.subtitle = page.config_hash = page.config = hostile;
  page.tiles = {{hostile, hostile, hostile}};
  page.figures = {{hostile, hostile, hostile, "png bytes"}};
  page.tables = {{hostile, {{hostile, hostile, hostile}}}};

  const std::string html = render_html(page);

  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("'\"&")));
  EXPECT_THAT(html, HasSubstr("<title>&lt;script&gt;&#39;&quot;&amp;</title>"));
}

TEST(RenderHtml, KeepsTheConfigHashWhereALaterRunFindsIt) {
  ReportPage page;
  page.config_hash = "0123456789abcdef";
  EXPECT_THAT(render_html(page), HasSubstr("<meta name=\"weft-config-hash\" content=\"0123456789abcdef\">"));
}

}  // namespace
}  // namespace weft
