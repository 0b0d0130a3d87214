// The reference's own evaluation of four synthetic models, whose numbers are stored.
#include "golden.hpp"

#include <map>

#include <gtest/gtest.h>

#include "weft/eval/evaluation.hpp"

#include "support/mpi_main.hpp"

namespace weft {
namespace {

class GoldenEvaluation : public testing::TestWithParam<const char*> {};

TEST_P(GoldenEvaluation, GivesTheReferencesNumbers) {
  Communicator& world = test_world();
  TemporaryFolder folder(world);
  const auto file = write_assembly(world, folder.path(), golden_assembly(), true);
  const GoldenCase golden(GetParam());
  const Truth truth(file);

  Unattended control;
  const Evaluation evaluation =
      evaluate(world, FakeModel(golden.model, world), Dataset(file), &truth, 1, control);
  const auto& metrics = evaluation.metrics;

  EXPECT_EQ(metrics["data"]["xnorm"], 15);
  EXPECT_NEAR(metrics["gauge"]["psi_plateau"], golden.c, 1e-6);
  EXPECT_NEAR(metrics["connectivity"]["slope"], golden.slope, 1e-6);
  EXPECT_NEAR(metrics["connectivity"]["r2"], golden.r2, 2e-9);
  EXPECT_EQ(metrics["clusters"]["reference_count"], golden.clusters);
  EXPECT_DOUBLE_EQ(metrics["clusters"]["reference_accuracy"], golden.accuracy);
  const auto& learned = evaluation.figures.connectivity.learned;
  ASSERT_EQ(learned.size(), golden.corrected_connectivity.size());
  for (std::size_t i = 0; i < learned.size(); ++i) {
    ASSERT_NEAR(learned[i], golden.corrected_connectivity[i], 2e-7) << "entry " << i;
  }
}

TEST_P(GoldenEvaluation, PartitionsTheLatentsAsTheReferenceDoes) {
  const GoldenCase golden(GetParam());
  const Clustering clustering = reference_clusters(golden.model.latents);
  std::map<std::int64_t, std::int64_t> number_of;
  for (std::size_t i = 0; i < golden.cluster_label.size(); ++i) {
    const auto known = number_of.emplace(golden.cluster_label[i], clustering.label[i]).first;
    EXPECT_EQ(known->second, clustering.label[i]) << "neuron " << i;
  }
  EXPECT_EQ(std::ssize(number_of), clustering.count);
}

INSTANTIATE_TEST_SUITE_P(AllCases, GoldenEvaluation,
                         testing::Values("separate", "merged", "outliers", "flipped"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace weft
