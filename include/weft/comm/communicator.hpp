#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weft {

enum class ScalarType { float32, float64, int64, byte };
enum class Reduction { sum, max };
enum class Memory { host, device };

/// A run of scalars. Counts are elements, never bytes.
struct Buffer {
  void* data = nullptr;
  std::size_t count = 0;
  ScalarType type = ScalarType::float32;
  Memory memory = Memory::host;

  Buffer() = default;
  Buffer(std::span<float> values) : data(values.data()), count(values.size()), type(ScalarType::float32) {}
  Buffer(std::span<double> values) : data(values.data()), count(values.size()), type(ScalarType::float64) {}
  Buffer(std::span<std::int64_t> values)
      : data(values.data()), count(values.size()), type(ScalarType::int64) {}
  Buffer(std::span<char> values) : data(values.data()), count(values.size()), type(ScalarType::byte) {}
};

/// A collective under way. `wait` returns when the data are there; while a GPU's work is recorded it returns
/// at once, and what follows is recorded behind it. Waits in its destructor if nobody did.
class Pending {
 public:
  Pending() = default;
  explicit Pending(std::function<void()> wait) : wait_(std::move(wait)) {}
  Pending(Pending&& other) noexcept : wait_(std::exchange(other.wait_, nullptr)) {}
  Pending& operator=(Pending&& other) noexcept;
  ~Pending();

  void wait();

 private:
  std::function<void()> wait_;
};

/// A group of ranks and what they can do together. Every call but `rank` and `size` is collective: all ranks
/// of the group make the same calls and waits in the same order, with buffers of the type and counts said
/// below. Calls return before the data have moved; buffers must stay untouched until `wait`. The sum of an
/// all-reduce or a reduce-scatter is the same, bit for bit, on every rank and in every run with the same
/// number of ranks.
/// @throws UserError where the transport reports a failure.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// In place: every rank ends with the reduction over ranks, element by element. A NaN makes the
  /// maximum NaN; in device memory only whole numbers have a maximum. @collective
  [[nodiscard]] virtual Pending all_reduce(Buffer values, Reduction reduction) = 0;
  /// `gathered` is the ranks' blocks one after the other; `counts[r]` elements come from rank r (may differ).
  /// `own` may be this rank's block in `gathered`. @collective
  [[nodiscard]] virtual Pending all_gather(Buffer own, Buffer gathered,
                                           std::span<const std::int64_t> counts) = 0;
  /// Sums `blocks` over ranks and leaves the block of `counts[r]` elements with rank r, in `own`. @collective
  [[nodiscard]] virtual Pending reduce_scatter(Buffer blocks, Buffer own,
                                               std::span<const std::int64_t> counts) = 0;
  /// `values` of rank `root` to all. @collective
  [[nodiscard]] virtual Pending broadcast(Buffer values, int root) = 0;
  /// Returns when every rank has come. @collective
  virtual void barrier() = 0;
  /// Ranks of the same `color` form a group, ordered by their rank here. @collective
  virtual std::unique_ptr<Communicator> split(int color) = 0;
};

/// One rank alone: every collective is a copy.
std::unique_ptr<Communicator> make_self_communicator();

/// Runs `work`, which communicates with nobody, on every rank; where it throws on any of them, all ranks
/// throw: the rank that failed its own exception, the others the same kind with the first failing rank's
/// message. The way to keep a failure of one rank (a full disk, a NaN) from leaving the others in a
/// collective. @collective
void collectively(Communicator& group, const std::function<void()>& work);

/// The text of rank `root` on every rank. @collective
std::string broadcast_text(Communicator& group, std::string text, int root = 0);

/// The texts of all ranks, in rank order, on every rank. @collective
std::vector<std::string> gather_texts(Communicator& group, const std::string& own);

/// One number of each rank, in rank order, on every rank. @collective
std::vector<double> gather_numbers(Communicator& group, double own);

}  // namespace weft
