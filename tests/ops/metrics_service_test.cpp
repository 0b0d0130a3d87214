#include "weft/ops/metrics_service.hpp"

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weft/core/log.hpp"
#include "weft/io/files.hpp"

#include "support/http_client.hpp"
#include "support/listening_port.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Service : public testing::Test {
 protected:
  Service() {
    make_folders(run() / "log");
    log_to_file(folder.path() / "log.txt");
  }
  ~Service() override { log_to_file("/dev/null"); }

  std::filesystem::path run() const { return folder.path() / "run"; }
  std::filesystem::path targets() const { return folder.path() / "targets.json"; }
  std::string log() const { return read_text(folder.path() / "log.txt"); }
  RunDescription description() const {
    return {"tiny", "adam", "0123", run().string(), "", 0, {{"here", "", ""}}};
  }
  std::string url() const {
    return std::filesystem::exists(run() / "log" / "metrics.url") ? read_text(run() / "log" / "metrics.url")
                                                                  : "";
  }
  int port() const { return std::stoi(url().substr(url().rfind(':') + 1)); }

  TemporaryFolder folder;
  std::shared_ptr<RankBoard> board = std::make_shared<RankBoard>();
};

TEST_F(Service, ServesMetricsAndHealth) {
  MetricsService service({.port = 0}, description(), board);
  EXPECT_THAT(url(), testing::MatchesRegex("http://127\\.0\\.0\\.1:[0-9]+/metrics\n"));
  EXPECT_THAT(log(), HasSubstr("metrics: " + url()));
  const std::string metrics = get(port(), "/metrics");
  EXPECT_THAT(metrics, testing::StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("weft_run_info{"));
  EXPECT_THAT(get(port(), "/healthz"), testing::StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get(port(), "/readyz"), testing::StartsWith("HTTP/1.1 503"));
  service.metrics().progress({"train", 0, 10, "steps", ""});
  service.metrics().progress({"train", 1, 10, "steps", ""});
  EXPECT_THAT(get(port(), "/readyz"), testing::StartsWith("HTTP/1.1 200"));
}

TEST_F(Service, IsOnTheListWhileItLasts) {
  MetricsService service({.port = 0, .targets = targets()}, description(), board);
  const nlohmann::json list = nlohmann::json::parse(read_text(targets()));
  EXPECT_EQ(list[0]["targets"][0], "127.0.0.1:" + std::to_string(port()));
  EXPECT_EQ(list[0]["labels"]["run"], "tiny");
  service.end(0);
  EXPECT_THAT(nlohmann::json::parse(read_text(targets())), IsEmpty());
  EXPECT_EQ(url(), "");
}

TEST_F(Service, ThatWasStoppedLeavesTheList) {
  MetricsService service({.port = 0, .targets = targets()}, description(), board);
  service.end(75);
  EXPECT_THAT(nlohmann::json::parse(read_text(targets())), IsEmpty());
}

TEST_F(Service, ThatFailedStaysOnTheList) {
  MetricsService service({.port = 0, .targets = targets()}, description(), board);
  service.end(1);
  EXPECT_EQ(nlohmann::json::parse(read_text(targets())).size(), 1U);
  EXPECT_EQ(url(), "");
}

TEST_F(Service, APortThatIsTakenIsAWarning) {
  const ListeningPort taken;
  MetricsService service({.port = taken.port(), .targets = targets()}, description(), board);
  EXPECT_THAT(log(), HasSubstr("warning rank 0 metrics are not served: "));
  EXPECT_THAT(log(), HasSubstr(std::to_string(taken.port())));
  EXPECT_EQ(url(), "");
  EXPECT_FALSE(std::filesystem::exists(targets())) << "nobody is to be sent there";
  service.end(0);
}

TEST_F(Service, WithoutAPortTakesAnEarlierRunOffTheList) {
  MetricsService({.port = 0, .targets = targets()}, description(), board).end(1);
  const ListeningPort taken;
  const MetricsService service({.port = taken.port(), .targets = targets()}, description(), board);
  EXPECT_THAT(nlohmann::json::parse(read_text(targets())), IsEmpty());
}

TEST_F(Service, AListThatIsNoneIsAWarning) {
  std::ofstream(targets()) << "not a list";
  MetricsService service({.port = 0, .targets = targets()}, description(), board);
  EXPECT_THAT(log(), HasSubstr("this run is not on the list of targets: "));
  EXPECT_THAT(get(port(), "/metrics"), testing::StartsWith("HTTP/1.1 200"));
  service.end(0);
  EXPECT_EQ(read_text(targets()), "not a list");
}

TEST_F(Service, AGatewayThatIsNotThereIsAWarning) {
  int port = 0;
  {
    const ListeningPort gone;
    port = gone.port();
  }
  MetricsService service({.push = "http://127.0.0.1:" + std::to_string(port)}, description(), board);
  service.end(0);
  EXPECT_THAT(log(), HasSubstr("metrics are not pushed: http://127.0.0.1:" + std::to_string(port) +
                               " answers nothing; is there a Pushgateway?"));
}

TEST_F(Service, AGatewayThatDoesNotAnswerHoldsUpNobodyForLong) {
  const ListeningPort silent;
  MetricsService service({.push = "http://127.0.0.1:" + std::to_string(silent.port())}, description(), board);
  service.end(0);
  EXPECT_THAT(log(), HasSubstr("does not answer"));
}

}  // namespace
}  // namespace weft
