#include "weft/model/load_recovered_model.hpp"

#include <string>

#include "weft/core/error.hpp"
#include "weft/model/signal_gnn.hpp"
#include "weft/model/spline_network.hpp"

namespace weft {

std::unique_ptr<RecoveredModel> load_recovered_model(const Checkpoint& checkpoint,
                                                     const RowPartition& partition, int shard) {
  const std::string& method = checkpoint.info().method;
  if (method == "adam") return recovered(load_signal_gnn(checkpoint, partition, shard));
  if (method == "varpro") return recovered(load_spline_network(checkpoint, partition, shard));
  throw UserError({checkpoint.folder().string(), "trained by the method " + method, "adam or varpro",
                   "read it with the version of weft that wrote it"});
}

}  // namespace weft
