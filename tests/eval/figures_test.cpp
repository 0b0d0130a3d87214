#include "weft/eval/figures.hpp"

#include <map>
#include <optional>

#include <gtest/gtest.h>

#include "weft/eval/evaluation.hpp"
#include "weft/io/hdf5.hpp"

#include "assembly.hpp"
#include "support/mpi_main.hpp"
#include "support/user_error.hpp"

namespace weft {
namespace {

using hdf5::Shape;

struct EvaluatedAssembly {
  explicit EvaluatedAssembly(const Assembly& assembly, bool with_truth) {
    Communicator& world = test_world();
    TemporaryFolder folder(world);
    const auto file = write_assembly(world, folder.path(), assembly, with_truth);
    std::optional<Truth> truth;
    if (with_truth) truth.emplace(file);
    model = imperfect_model(assembly);
    Unattended control;
    figures = evaluate(world, FakeModel(model, world), Dataset(file), truth ? &*truth : nullptr, 1, control)
                  .figures;
  }
  WholeModel model;
  Figures figures;
};

TEST(TimeSeriesFigure, ShowsTheFirstTrajectoryOfNeuronsSpreadOverTheAssembly) {
  const Assembly assembly = small_assembly(36);
  TemporaryFolder folder;
  DatasetInfo info;
  info.frames = 50;
  info.neurons = 36;
  info.dt = 0.5;
  info.trajectory_starts = {0, 20};
  const RowPartition partition(36, 1);
  DatasetShardWriter shard(folder.path(), info, partition, 0);
  shard.write_frames(0, assembly.activity, {});
  shard.close();
  write_dataset_view(folder.path(), info, {}, partition);

  const TimeSeriesFigure figure = time_series_figure(Dataset(folder.path() / "activity.h5"));
  ASSERT_EQ(figure.time.size(), 20);
  EXPECT_EQ(figure.time[19], 9.5);
  EXPECT_EQ(figure.neuron, (std::vector<std::int64_t>{0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33}));
  EXPECT_EQ(figure.activity[7 * 12 + 2], assembly.activity[7 * 36 + 6]);
}

TEST(ConnectivityFigure, ShowsTheSameEvenlySpacedNeuronsOfBothMatrices) {
  const Assembly assembly = small_assembly(500);
  const EvaluatedAssembly evaluated(assembly, true);
  if (test_world().rank() != 0) return;
  const ConnectivityFigure& figure = evaluated.figures.connectivity;
  ASSERT_EQ(figure.index.size(), 400);
  EXPECT_EQ(figure.index[399], 498);
  const std::int64_t post = figure.index[398], pre = figure.index[3];
  EXPECT_EQ(figure.truth[398 * 400 + 3], assembly.connectivity[post * 500 + pre]);
  const double c = evaluated.model.psi(6 * (0.8 + 0.2 * 499 / 999));
  const double gain = assembly.types.parameters[3 * (post % 3)];
  EXPECT_FLOAT_EQ(figure.learned[398 * 400 + 3],
                  static_cast<float>(evaluated.model.connectivity[post * 500 + pre] * c / gain));
  EXPECT_EQ(figure.inset_truth[19 * 20 + 1], assembly.connectivity[19 * 500 + 1]);
  EXPECT_FLOAT_EQ(figure.inset_learned[18 * 20 + 1],
                  static_cast<float>(evaluated.model.connectivity[18 * 500 + 1] * c / 8));
}

TEST(WriteFigures, WritesWhatThePanelsNeedAndReadsBackTheSame) {
  const EvaluatedAssembly evaluated(small_assembly(30), true);
  if (test_world().rank() != 0) return;
  const Figures& figures = evaluated.figures;
  TemporaryFolder folder;
  write_figures(folder.path() / "evaluation.h5", figures);

  const hdf5::File file = hdf5::File::open(folder.path() / "evaluation.h5");
  const std::map<std::string, Shape> expected{{"time_series/time", {50}},
                                              {"time_series/neuron", {12}},
                                              {"time_series/activity", {50, 12}},
                                              {"connectivity/index", {30}},
                                              {"connectivity/true", {30, 30}},
                                              {"connectivity/learned", {30, 30}},
                                              {"connectivity/inset_true", {20, 20}},
                                              {"connectivity/inset_learned", {20, 20}},
                                              {"scatter/edges", {301}},
                                              {"scatter/counts", {300, 300}},
                                              {"latents/a", {30, 2}},
                                              {"latents/cluster", {30}},
                                              {"latents/type", {30}},
                                              {"phi/x", {301}},
                                              {"phi/learned", {30, 301}},
                                              {"phi/neuron", {30}},
                                              {"phi/type", {30}},
                                              {"phi/true", {3, 301}},
                                              {"psi/x", {1001}},
                                              {"psi/learned", {1, 1001}},
                                              {"psi/true", {1001}}};
  std::map<std::string, Shape> found;
  for (const std::string& name : file.dataset_names()) found[name] = file.dataset(name).shape();
  EXPECT_EQ(found, expected);
  EXPECT_EQ(file.attributes().read<double>("xnorm"), std::vector<double>{6});
  EXPECT_EQ(file.attributes().read<double>("psi_scale"), std::vector<double>{figures.psi_scale});
  EXPECT_EQ(file.attributes().read<double>("psi_offset"), std::vector<double>{figures.psi_offset});
  EXPECT_EQ(file.dataset("connectivity/learned").read_all<float>(), figures.connectivity.learned);
  EXPECT_EQ(file.dataset("scatter/counts").read_all<std::int64_t>(), figures.scatter->counts);
  EXPECT_EQ(file.dataset("phi/learned").read_all<double>(), figures.phi.learned);
  EXPECT_EQ(file.dataset("latents/a").read_all<double>()[2 * 7 + 1], figures.latents.latents[7][1]);
}

TEST(WriteFigures, WritesThePsiOfEachGroup) {
  TemporaryFolder folder;
  Figures figures;
  figures.time_series = {{0}, {0}, {1}};
  figures.connectivity = {{0}, {0}, {}, {0}, {}};
  figures.latents = {{{1, 1}}, {0}, {}};
  figures.phi = {{0, 1}, {0}, {2, 3}, {}, {}};
  figures.psi = {{-1, 0, 1}, {1, 2, 3, 4, 5, 6}, {}};
  write_figures(folder.path() / "evaluation.h5", figures);
  const hdf5::File file = hdf5::File::open(folder.path() / "evaluation.h5");
  EXPECT_EQ(file.dataset("psi/learned").shape(), (Shape{2, 3}));
  EXPECT_EQ(file.dataset("psi/learned").read_all<double>(), figures.psi.learned);
}

TEST(WriteFigures, LeavesOutWhatNeedsTheTruth) {
  const EvaluatedAssembly evaluated(small_assembly(10), false);
  if (test_world().rank() != 0) return;
  TemporaryFolder folder;
  write_figures(folder.path() / "evaluation.h5", evaluated.figures);
  const hdf5::File file = hdf5::File::open(folder.path() / "evaluation.h5");
  EXPECT_EQ(file.dataset_names(),
            (std::vector<std::string>{"connectivity/index", "connectivity/inset_learned",
                                      "connectivity/learned", "latents/a", "latents/cluster", "phi/learned",
                                      "phi/neuron", "phi/x", "psi/learned", "psi/x", "time_series/activity",
                                      "time_series/neuron", "time_series/time"}));
  EXPECT_EQ(file.dataset("connectivity/inset_learned").shape(), (Shape{10, 10}));
}

TEST(WriteFigures, SaysWhereItCannotWrite) {
  expect_user_error([] { write_figures("/nowhere/evaluation.h5", {}); }, {"/nowhere/evaluation.h5"});
}

}  // namespace
}  // namespace weft
