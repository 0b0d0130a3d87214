#include "weft/ops/metrics_service.hpp"

#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <prometheus/gateway.h>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/signals_blocked.hpp"
#include "weft/io/files.hpp"
#include "weft/ops/host_name.hpp"
#include "weft/ops/metrics_targets.hpp"

namespace weft {
namespace {

constexpr std::chrono::seconds kPushPatience{5};
/// However many ask, the metrics are put together so often at most.
constexpr std::chrono::milliseconds kFreshFor{50};

constexpr int kStopped = 75;

/// A text that is made anew where the last one is old.
class Kept {
 public:
  explicit Kept(std::function<std::string()> make) : make_(std::move(make)) {}

  /// Whoever comes while a new one is being made gets the old one, but for the very first.
  std::string text() {
    const std::unique_lock making(making_, std::try_to_lock);
    if (!making && is_made()) return last();
    if (making && is_fresh()) return last();
    std::string text = make_();
    const std::lock_guard lock(mutex_);
    made_at_ = std::chrono::steady_clock::now();
    return text_ = std::move(text);
  }

 private:
  bool is_made() const {
    const std::lock_guard lock(mutex_);
    return !text_.empty();
  }
  bool is_fresh() const {
    const std::lock_guard lock(mutex_);
    return !text_.empty() && std::chrono::steady_clock::now() - made_at_ <= kFreshFor;
  }
  std::string last() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

  std::function<std::string()> make_;
  std::mutex making_;
  mutable std::mutex mutex_;  ///< of what follows
  std::string text_;
  std::chrono::steady_clock::time_point made_at_;
};

std::map<std::string, HttpPage> pages_of(const RunMetrics& metrics) {
  const auto kept = std::make_shared<Kept>([&metrics] { return metrics.text(); });
  return {{"/metrics",
           [kept]() -> HttpAnswer {
             return {200, "text/plain; version=0.0.4; charset=utf-8", kept->text()};
           }},
          {"/healthz", [] { return plain_answer(200, "alive"); }},
          {"/readyz", [&metrics] {
             return metrics.ready() ? plain_answer(200, "training")
                                    : plain_answer(503, "training has not begun");
           }}};
}

std::filesystem::path url_file(const std::string& folder) {
  return std::filesystem::path(folder) / "log" / "metrics.url";
}

/// Does it, or warns. False where it could not.
bool try_to(const char* what, const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const std::exception& error) {
    log_warning("{}: {}; no run fails for its metrics", what, error.what());
    return false;
  }
}

/// HTTP status of the answer; negative where there was none.
int push_to(const std::string& url, const std::string& run, std::shared_ptr<prometheus::Collectable> what) {
  const std::size_t colon = url.rfind(':');  // the command line has seen that there is one
  prometheus::Gateway gateway(url.substr(0, colon), url.substr(colon + 1), "weft", {{"run", run}});
  gateway.RegisterCollectable(what);
  return gateway.Push();
}

}  // namespace

MetricsService::MetricsService(MetricsOptions options, RunDescription run,
                               std::shared_ptr<const RankBoard> board)
    : options_(std::move(options)), run_(std::move(run)), metrics_(run_, std::move(board)) {
  if (!options_.port || try_to("metrics are not served", [this] { serve(); })) return;
  leave_list();  // on which an earlier run may be, that failed
}

void MetricsService::leave_list() const {
  if (options_.targets.empty()) return;
  try_to("this run stays on the list of targets", [this] { remove_target(options_.targets, run_.folder); });
}

void MetricsService::serve() {
  server_.emplace(options_.address, *options_.port, pages_of(metrics_));
  const std::string host = options_.address == "0.0.0.0" ? host_name() : options_.address;
  const std::string url = fmt::format("http://{}:{}/metrics", host, server_->port());
  log_info("metrics: {}", url);
  try_to("where metrics are served is not noted",
         [&] { write_text_atomically(url_file(run_.folder), url + "\n"); });
  if (options_.targets.empty()) return;
  try_to("this run is not on the list of targets", [&] {
    add_target(options_.targets, {fmt::format("{}:{}", host, server_->port()), run_.name, run_.folder});
  });
}

void MetricsService::end(int exit_code) {
  server_.reset();
  metrics_.ended(exit_code);
  if (!options_.push.empty()) try_to("metrics are not pushed", [this] { push(); });
  std::error_code ignored;  // a note that stays misleads nobody for long
  std::filesystem::remove(url_file(run_.folder), ignored);
  if (exit_code == 0 || exit_code == kStopped) leave_list();
}

/// On a thread that is left to itself where the gateway does not answer.
void MetricsService::push() const {
  auto answer = std::make_shared<std::promise<int>>();
  std::future<int> status = answer->get_future();
  const SignalsBlocked blocked;
  std::thread([answer, url = options_.push, run = run_.name, what = metrics_.collectable()] {
    try {
      answer->set_value(push_to(url, run, what));
    } catch (...) {
      answer->set_exception(std::current_exception());
    }
  }).detach();
  if (status.wait_for(kPushPatience) != std::future_status::ready) {
    log_warning("metrics are not pushed: {} does not answer", options_.push);
  } else if (const int code = status.get(); code < 200 || code >= 300) {
    log_warning("metrics are not pushed: {} answers {}", options_.push,
                code < 0 ? "nothing; is there a Pushgateway?" : fmt::format("{}", code));
  }
}

}  // namespace weft
