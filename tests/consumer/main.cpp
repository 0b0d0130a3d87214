// Simulates the assembly of a config on the host, and tells how many directions its activity takes:
//   consumer CONFIG
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/config/config.hpp"
#include "weft/core/error.hpp"
#include "weft/core/version.hpp"
#include "weft/device/device.hpp"
#include "weft/model/symmetric_eigen.hpp"
#include "weft/sim/simulator.hpp"

namespace {

/// Sums of x_i x_j over the frames that it gets.
class Products {
 public:
  explicit Products(std::size_t neurons) : neurons_(neurons), sums_(neurons * neurons) {}

  void add(std::span<const float> activity) {
    for (std::size_t frame = 0; frame < activity.size(); frame += neurons_)
      for (std::size_t i = 0; i < neurons_; ++i)
        for (std::size_t j = 0; j < neurons_; ++j)
          sums_[i * neurons_ + j] += static_cast<double>(activity[frame + i]) * activity[frame + j];
  }

  const std::vector<double>& sums() const { return sums_; }

 private:
  std::size_t neurons_;
  std::vector<double> sums_;
};

void tell(const weft::Config& config) {
  const auto device = weft::make_host_device();
  const auto alone = weft::make_self_communicator();
  weft::Simulator simulator(*device, *alone, config.simulation, config.seed);
  Products products(static_cast<std::size_t>(config.simulation.neurons));
  std::int64_t frames = 0;
  weft::Unattended control;
  simulator.run(
      [&](std::int64_t, std::span<const float> activity, std::span<const float>) {
        products.add(activity);
        frames += std::ssize(activity) / config.simulation.neurons;
      },
      control);
  const auto eigen = weft::symmetric_eigen(products.sums(), config.simulation.neurons);
  int directions = 0;
  for (const double value : eigen.values) directions += value > 1e-3 * eigen.values.back();
  std::printf("weft %s: %lld frames of %lld neurons, %d directions\n", weft::version_line().c_str(),
              static_cast<long long>(frames), static_cast<long long>(config.simulation.neurons), directions);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2) throw weft::UserError({"command line", "", "consumer CONFIG", ""});
    tell(weft::load_config(argv[1]));
    return 0;
  } catch (const weft::UserError& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 2;
  }
}
