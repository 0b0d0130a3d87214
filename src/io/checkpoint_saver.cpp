#include "weft/io/checkpoint_saver.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/core/log.hpp"
#include "weft/core/section.hpp"

#include "io/array_copies.hpp"
#include "io/background_work.hpp"
#include "io/checkpoint_folders.hpp"
#include "io/checkpoint_write.hpp"

namespace weft {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{5};

/// The first rank that failed, and why; empty where none did.
std::string first_failure(const std::vector<std::string>& failures) {
  const auto first = std::ranges::find_if(failures, [](const std::string& text) { return !text.empty(); });
  return first == failures.end() ? "" : fmt::format("rank {}: {}", first - failures.begin(), *first);
}

}  // namespace

struct CheckpointSaver::Impl {
  /// Of the checkpoint that was started last; `publishing` on rank 0 alone.
  enum class Phase { idle, writing, publishing };

  Impl(Communicator& ranks, fs::path folder, const RowPartition& rows_of_ranks, const Retention& kept)
      : group(ranks), root(std::move(folder)), partition(rows_of_ranks), retention(kept) {}

  bool leads() const { return group.rank() == 0; }

  /// What is to be there before any rank writes; returns whether rank 0 could make it. @collective
  bool prepare(const ModelArrays& arrays) {
    failure = failure_of([&] {
      if (leads()) prepare_checkpoint(root, manifest.info.step);
      rows.take(arrays.rows);
      if (leads()) common.take(arrays.common);
    });
    std::int64_t prepared = failure.empty() ? 1 : 0;
    group.broadcast(std::span(&prepared, 1), 0).wait();
    return prepared != 0;
  }

  void start(const CheckpointInfo& info, const ModelArrays& arrays) {
    conclude_former();
    started = Clock::now();
    valid = false;
    manifest = {info, {}, {}};
    manifest.info.number = next_number();
    const bool prepared = prepare(arrays);
    if (!prepared && failure.empty()) failure = "rank 0 has not prepared the folder";
    phase = Phase::writing;
    if (!failure.empty()) return;
    // An abandoned thread may outlive the group.
    work.start([this, shard = group.rank()] {
      part = write_part(temporary_folder(root, manifest.info.step), partition, shard, rows.views(),
                        common.views());
    });
  }

  /// @collective
  void publish() {
    work.wait();
    if (failure.empty()) failure = work.failure();
    failure = first_failure(gather_texts(group, failure));
    if (failure.empty()) manifest = gather_manifest(group, manifest.info, partition, part);
    phase = leads() ? Phase::publishing : Phase::idle;
    if (leads()) work.start([this] { publish_or_discard(); });
  }

  void give_up(const std::string& reason) const {
    discard_unpublished(root, manifest.info.step);
    log_warning("the checkpoint of step {} could not be saved, the run goes on and will try again: {}",
                manifest.info.step, reason);
  }

  /// On the thread of rank 0.
  void publish_or_discard() {
    if (failure.empty()) failure = failure_of([&] { publish_checkpoint(root, manifest); });
    if (!failure.empty()) return give_up(failure);
    valid = true;
    seconds = std::chrono::duration<double>(Clock::now() - started).count();
    const std::string rest = failure_of([&] { supersede_former(root, manifest.info, retention); });
    if (!rest.empty()) log_warning("the checkpoint of step {} is saved, but: {}", manifest.info.step, rest);
  }

  /// On rank 0: waits until what is being published is, and books it.
  void settle() {
    if (phase != Phase::publishing) return;
    work.wait();
    phase = Phase::idle;
    if (!valid) {
      ++account.failures;
      if (!work.failure().empty()) give_up(work.failure());  // there was no thread to do it
      return;
    }
    ++account.saved;
    account.last_step = manifest.info.step;
    account.last_seconds = seconds;
    account.longest_seconds = std::max(account.longest_seconds, seconds);
    last_number = manifest.info.number;
  }

  void settle_if_done() {
    if (work.done()) settle();
  }

  std::int64_t next_number() const { return last_number ? *last_number + 1 : 0; }

  /// @collective
  void conclude_former() {
    if (phase == Phase::writing) publish();
    settle();
  }

  Communicator& group;
  fs::path root;
  RowPartition partition;
  Retention retention;
  CheckpointAccount account;
  std::optional<std::int64_t> last_number;  ///< of the checkpoint that the next one comes after
  Phase phase = Phase::idle;

  // Of the checkpoint that was started last. While the thread works, they are the thread's.
  ArrayCopies rows;
  ArrayCopies common;
  Clock::time_point started;
  Manifest manifest;
  CheckpointPart part;
  std::string failure;  ///< of this rank; on publishing, that of the first rank that failed
  bool valid = false;   ///< on rank 0
  double seconds = 0;   ///< on rank 0, from its start until it was valid

  BackgroundWork work;  // the last, so that the thread ends before what it uses
};

CheckpointSaver::CheckpointSaver(Communicator& group, fs::path root, const RowPartition& partition,
                                 const Retention& retention)
    : impl_(std::make_unique<Impl>(group, std::move(root), partition, retention)) {}

CheckpointSaver::~CheckpointSaver() {
  const InSection waiting(Section::checkpoint);
  if (std::uncaught_exceptions() > 0 && !impl_->work.ends_within(kPatience)) {
    impl_->work.abandon();
    std::ignore = impl_.release();
    return;
  }
  impl_->work.wait();
}

void CheckpointSaver::continue_from(const CheckpointInfo& state) {
  const InSection waiting(Section::checkpoint);
  impl_->settle();
  impl_->last_number = state.number;
}

void CheckpointSaver::start(const CheckpointInfo& info, const ModelArrays& arrays) {
  check_request(impl_->group, info, impl_->partition, impl_->retention);
  const InSection saving(Section::checkpoint);
  impl_->start(info, arrays);
}

bool CheckpointSaver::busy() {
  impl_->settle_if_done();
  return impl_->phase != Impl::Phase::idle;
}

bool CheckpointSaver::written() const { return impl_->phase == Impl::Phase::writing && impl_->work.done(); }

void CheckpointSaver::publish() {
  require(impl_->phase == Impl::Phase::writing, "a checkpoint under way");
  const InSection saving(Section::checkpoint);
  impl_->publish();
}

bool CheckpointSaver::finish() {
  const InSection saving(Section::checkpoint);
  impl_->conclude_former();
  std::int64_t valid = impl_->valid ? 1 : 0;
  impl_->group.broadcast(std::span(&valid, 1), 0).wait();
  return valid != 0;
}

std::int64_t CheckpointSaver::next_number() const { return impl_->next_number(); }

const CheckpointAccount& CheckpointSaver::account() {
  impl_->settle_if_done();
  return impl_->account;
}

}  // namespace weft
