// A GPU for each rank of a test program, which is skipped where there are fewer.

#include <fmt/format.h>

#include "weft/device/cuda_library.hpp"

#include "support/device_under_test.hpp"
#include "support/mpi_main.hpp"

namespace weft {

std::string reason_to_skip(const MpiSession& session) {
  const int ranks = session.ranks_on_this_node();
  const CudaSurvey survey = survey_cuda();
  if (survey.devices >= ranks) return "";
  if (survey.devices == 0) return survey.reason;
  return fmt::format("{} ranks, and GPUs: {}", ranks, survey.devices);
}

std::unique_ptr<Device> open_device_under_test() {
  return open_cuda_device(test_session().rank_on_this_node());
}

}  // namespace weft
