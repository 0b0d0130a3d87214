#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "weft/ops/http_server.hpp"
#include "weft/ops/run_metrics.hpp"

namespace weft {

/// Where a run's metrics are to be seen.
struct MetricsOptions {
  std::optional<int> port = {};        ///< served there; 0: any free one; nothing: not served
  std::string address = "127.0.0.1";   ///< a number of IPv4; "0.0.0.0": all of this machine's
  std::filesystem::path targets = {};  ///< Prometheus' list, which the run is put on; empty: none
  std::string push = {};               ///< URL of a Pushgateway that gets them at the end; empty: none

  bool wanted() const { return port.has_value() || !push.empty(); }
};

/// Shows a run's metrics to the world: /metrics for Prometheus, /healthz (this process answers) and /readyz
/// (training has begun) for orchestrators. What cannot be had is a warning: no run fails for its metrics.
/// Local: of rank 0.
class MetricsService {
 public:
  /// Serves from now on; notes where in `<folder>/log/metrics.url`, and on the list of targets.
  MetricsService(MetricsOptions options, RunDescription run, std::shared_ptr<const RankBoard> board);

  RunMetrics& metrics() { return metrics_; }

  /// Serves no longer, pushes how it all ended, and takes back the notes; but a run that failed stays on the
  /// list, so that Prometheus finds nobody there and can raise an alarm. Takes 7 s at most, and
  /// 10 s more where another process holds the list.
  void end(int exit_code);

 private:
  void serve();
  void leave_list() const;
  void push() const;

  MetricsOptions options_;
  RunDescription run_;
  RunMetrics metrics_;
  std::optional<HttpServer> server_;
};

}  // namespace weft
