#include <array>
#include <climits>
#include <exception>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "weft/core/error.hpp"
#include "weft/core/section.hpp"

#include "buffers.hpp"
#include "mpi_group.hpp"

namespace weft {
namespace {

/// Up to this many bytes over all ranks an all-reduce gathers everything everywhere, in one exchange; above,
/// each rank reduces one block and the blocks are gathered, which moves less.
constexpr std::size_t kGatherLimit = std::size_t{1} << 20;

MPI_Datatype mpi_type(ScalarType type) {
  switch (type) {
    case ScalarType::float32:
      return MPI_FLOAT;
    case ScalarType::float64:
      return MPI_DOUBLE;
    case ScalarType::int64:
      return MPI_INT64_T;
    case ScalarType::byte:
      return MPI_BYTE;
  }
  throw InternalError("an unknown scalar type");
}

int mpi_count(std::size_t count) {
  if (count <= INT_MAX) return static_cast<int>(count);
  throw UserError({"MPI", fmt::format("{} elements in one collective call", count),
                   fmt::format("at most {}", INT_MAX),
                   "lower training.batch_size or simulation.trajectories"});
}

/// Where each rank's block lies in a buffer of all blocks, as MPI wants it.
struct Layout {
  std::vector<int> counts;
  std::vector<int> offsets;

  explicit Layout(std::span<const std::int64_t> blocks) {
    std::size_t offset = 0;
    for (const std::int64_t block : blocks) {
      counts.push_back(mpi_count(static_cast<std::size_t>(block)));
      offsets.push_back(mpi_count(offset));
      offset += static_cast<std::size_t>(block);
    }
  }
};

std::vector<std::int64_t> even_blocks(std::size_t count, int ranks) {
  std::vector<std::int64_t> blocks(static_cast<std::size_t>(ranks), static_cast<std::int64_t>(count) / ranks);
  for (std::size_t rank = 0; rank < count % static_cast<std::size_t>(ranks); ++rank) ++blocks[rank];
  return blocks;
}

/// Room for `runs` buffers like `like`, kept alive by whoever holds a copy.
std::shared_ptr<std::byte[]> scratch_for(Buffer like, int runs) {
  return std::make_shared_for_overwrite<std::byte[]>(like.count * size_of(like.type) *
                                                     static_cast<std::size_t>(runs));
}

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(MPI_Comm group) : group_(group) {
    check_mpi("MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN));
    check_mpi("MPI_Comm_rank", MPI_Comm_rank(group_, &rank_));
    check_mpi("MPI_Comm_size", MPI_Comm_size(group_, &size_));
  }

  ~MpiCommunicator() override {
    int finalised = 0;
    MPI_Finalized(&finalised);
    // Freeing is collective: a rank that leaves by an exception would wait for ranks that may never come.
    if (finalised == 0 && std::uncaught_exceptions() == 0) MPI_Comm_free(&group_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Pending all_reduce(Buffer values, Reduction reduction) override {
    const std::size_t bytes = values.count * size_of(values.type) * static_cast<std::size_t>(size_);
    return bytes <= kGatherLimit ? all_reduce_whole(values, reduction)
                                 : all_reduce_in_blocks(values, reduction);
  }

  Pending all_gather(Buffer own, Buffer gathered, std::span<const std::int64_t> counts) override {
    require_blocks(own, gathered, counts, rank_, size_);
    const auto layout = std::make_shared<const Layout>(counts);
    const auto place = static_cast<std::size_t>(layout->offsets[static_cast<std::size_t>(rank_)]);
    const bool in_place = own.data == part(gathered, place, own.count).data;
    return start("MPI_Iallgatherv", layout, [&](MPI_Request* request) {
      return MPI_Iallgatherv(in_place ? MPI_IN_PLACE : own.data, mpi_count(own.count), mpi_type(own.type),
                             gathered.data, layout->counts.data(), layout->offsets.data(),
                             mpi_type(gathered.type), group_, request);
    });
  }

  Pending reduce_scatter(Buffer blocks, Buffer own, std::span<const std::int64_t> counts) override {
    return reduce_blocks(blocks, own, counts, Reduction::sum);
  }

  Pending broadcast(Buffer values, int root) override {
    require(root >= 0 && root < size_, "a broadcast from a rank that is not in the group");
    const int count = mpi_count(values.count);
    return start("MPI_Ibcast", nullptr, [&](MPI_Request* request) {
      return MPI_Ibcast(values.data, count, mpi_type(values.type), root, group_, request);
    });
  }

  void barrier() override {
    const InSection section(Section::collective);
    check_mpi("MPI_Barrier", MPI_Barrier(group_));
  }

  std::unique_ptr<Communicator> split(int color) override {
    require(color >= 0, "a negative color");
    const InSection section(Section::collective);
    MPI_Comm group = MPI_COMM_NULL;
    check_mpi("MPI_Comm_split", MPI_Comm_split(group_, color, rank_, &group));
    return make_mpi_communicator(group);
  }

 private:
  Pending all_reduce_whole(Buffer values, Reduction reduction) {
    const auto runs = scratch_for(values, size_);
    const int count = mpi_count(values.count);
    Pending gathering = start("MPI_Iallgather", runs, [&](MPI_Request* request) {
      return MPI_Iallgather(values.data, count, mpi_type(values.type), runs.get(), count,
                            mpi_type(values.type), group_, request);
    });
    return after(std::move(gathering),
                 [=, this] { reduce_in_rank_order(runs.get(), size_, values, reduction); });
  }

  Pending all_reduce_in_blocks(Buffer values, Reduction reduction) {
    const std::vector<std::int64_t> counts = even_blocks(values.count, size_);
    std::size_t first = 0;
    for (int rank = 0; rank < rank_; ++rank)
      first += static_cast<std::size_t>(counts[static_cast<std::size_t>(rank)]);
    const Buffer own = part(values, first, static_cast<std::size_t>(counts[static_cast<std::size_t>(rank_)]));
    return after(reduce_blocks(values, own, counts, reduction),
                 [=, this] { all_gather(own, values, counts).wait(); });
  }

  /// Each rank gets its block from every rank and reduces the runs itself. `own` may lie in `blocks`.
  Pending reduce_blocks(Buffer blocks, Buffer own, std::span<const std::int64_t> counts,
                        Reduction reduction) {
    require_blocks(own, blocks, counts, rank_, size_);
    const auto sent = std::make_shared<const Layout>(counts);
    const std::vector<std::int64_t> like_own(static_cast<std::size_t>(size_),
                                             static_cast<std::int64_t>(own.count));
    const auto received = std::make_shared<const Layout>(like_own);
    const auto runs = scratch_for(own, size_);
    const auto kept = std::make_shared<std::array<std::shared_ptr<const void>, 3>>(
        std::array<std::shared_ptr<const void>, 3>{sent, received, runs});
    Pending exchange = start("MPI_Ialltoallv", kept, [&](MPI_Request* request) {
      return MPI_Ialltoallv(blocks.data, sent->counts.data(), sent->offsets.data(), mpi_type(blocks.type),
                            runs.get(), received->counts.data(), received->offsets.data(), mpi_type(own.type),
                            group_, request);
    });
    return after(std::move(exchange), [=, this] { reduce_in_rank_order(runs.get(), size_, own, reduction); });
  }

  /// Starts a non-blocking MPI call; `kept` is what MPI reads or writes until it is done.
  template <typename Call>
  static Pending start(std::string_view name, std::shared_ptr<const void> kept, Call call) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(name, call(&request));
    return Pending([name, request, kept]() mutable {
      const InSection section(Section::collective);
      check_mpi(name, MPI_Wait(&request, MPI_STATUS_IGNORE));
    });
  }

  template <typename Work>
  static Pending after(Pending pending, Work work) {
    // A std::function must be copyable, and a Pending is not.
    const auto first = std::make_shared<Pending>(std::move(pending));
    return Pending([first, work] {
      first->wait();
      work();
    });
  }

  MPI_Comm group_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace

void check_mpi(std::string_view call, int code) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  throw UserError({fmt::format("{} on rank {}", call, rank),
                   std::string(text.data(), static_cast<std::size_t>(length)), "",
                   "check the MPI installation, the network and the other ranks' messages"});
}

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm group) {
  return std::make_unique<MpiCommunicator>(group);
}

}  // namespace weft
