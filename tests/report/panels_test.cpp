#include "weft/report/panels.hpp"

#include <cmath>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weft/io/files.hpp"

#include "made_up_run.hpp"
#include "support/temporary_folder.hpp"

namespace weft {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> files_of(const std::vector<Panel>& panels) {
  std::vector<std::string> files;
  for (const Panel& panel : panels) files.push_back(panel.file);
  return files;
}

/// Width and height in a PNG's header: big-endian, in bytes 16 to 23.
std::pair<unsigned, unsigned> png_size(const fs::path& file) {
  const std::string bytes = read_text(file);
  EXPECT_EQ(bytes.substr(0, 8), "\x89PNG\r\n\x1a\n") << file;
  const auto number = [&](std::size_t at) {
    unsigned value = 0;
    for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes.at(i));
    return value;
  };
  return {number(16), number(20)};
}

bool is_well_formed_xml(const fs::path& file) {
  const std::string command =
      "python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' '" + file.string() + "'";
  return std::system(command.c_str()) == 0;
}

/// The numbers of a data file, line by line; blank lines and comments are skipped.
std::vector<std::vector<double>> numbers_in(const fs::path& file) {
  std::vector<std::vector<double>> rows;
  std::istringstream text(read_text(file));
  for (std::string line; std::getline(text, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    rows.emplace_back();
    for (double value; words >> value;) rows.back().push_back(value);
  }
  return rows;
}

void expect_table(const fs::path& file, const Table& expected) {
  const auto rows = numbers_in(file);
  ASSERT_EQ(static_cast<std::int64_t>(rows.size()), expected.rows) << file;
  for (std::int64_t row = 0; row < expected.rows; ++row) {
    const auto& values = rows[static_cast<std::size_t>(row)];
    ASSERT_EQ(static_cast<std::int64_t>(values.size()), expected.columns) << file;
    for (std::int64_t column = 0; column < expected.columns; ++column)
      ASSERT_NEAR(values[static_cast<std::size_t>(column)], expected.at(row, column),
                  1e-7 * (1 + std::abs(expected.at(row, column))))
          << file << " row " << row << " column " << column;
  }
}

TEST(Panels, AreMadeAsPngAndSvgWithDataAndScript) {
  const TemporaryFolder folder;

  const auto panels = draw_panels(folder.path(), made_up_figures(true));

  EXPECT_THAT(files_of(panels), ElementsAre("panel_b_activity", "panel_c_connectivity_true",
                                            "panel_d_connectivity_learned", "panel_e_comparison",
                                            "panel_f_latents", "panel_g_phi", "panel_h_psi", "panel_i_loss"));
  for (const Panel& panel : panels) {
    EXPECT_EQ(png_size(folder.path() / (panel.file + ".png")), std::make_pair(900U, 700U)) << panel.file;
    EXPECT_TRUE(is_well_formed_xml(folder.path() / (panel.file + ".svg"))) << panel.file;
    EXPECT_TRUE(fs::exists(folder.path() / (panel.file + ".dat"))) << panel.file;
    EXPECT_NE(panel.caption, "");
  }
}

TEST(Panels, AreRemadeByHandByteForByte) {
  const TemporaryFolder folder;
  for (const Panel& panel : draw_panels(folder.path(), made_up_figures(true))) {
    const fs::path png = folder.path() / (panel.file + ".png");
    const fs::path svg = folder.path() / (panel.file + ".svg");
    const std::string png_bytes = read_text(png);
    const std::string svg_bytes = read_text(svg);
    fs::remove(png);
    fs::remove(svg);

    const std::string by_hand = "cd '" + folder.path().string() + "' && gnuplot " + panel.file + ".gp";
    ASSERT_EQ(std::system(by_hand.c_str()), 0) << by_hand;

    EXPECT_TRUE(read_text(png) == png_bytes) << panel.file;
    EXPECT_TRUE(read_text(svg) == svg_bytes) << panel.file;
  }
}

TEST(Panels, KeepTheNumbersBesideThem) {
  const TemporaryFolder folder;
  const FigureData data = made_up_figures(true);

  draw_panels(folder.path(), data);

  expect_table(folder.path() / "panel_c_connectivity_true.dat", data.connectivity.truth);
  expect_table(folder.path() / "panel_c_connectivity_true_inset.dat", data.connectivity.inset_truth);
  expect_table(folder.path() / "panel_d_connectivity_learned.dat", data.connectivity.learned);
  expect_table(folder.path() / "panel_d_connectivity_learned_inset.dat", data.connectivity.inset_learned);
  expect_table(folder.path() / "panel_e_comparison.dat", data.comparison->counts);

  const auto activity = numbers_in(folder.path() / "panel_b_activity.dat");
  ASSERT_EQ(activity.size(), data.series.time.size());
  EXPECT_NEAR(activity[31][0], data.series.time[31], 1e-9);
  EXPECT_NEAR(activity[31][3], data.series.activity.at(31, 2), 1e-7);

  const auto latents = numbers_in(folder.path() / "panel_f_latents.dat");
  ASSERT_EQ(latents.size(), 24U);
  EXPECT_NEAR(latents[17][1], data.latents.a.at(17, 1), 1e-7);
  EXPECT_EQ(latents[17][2], data.latents.type[17]);
  EXPECT_EQ(latents[17][3], data.latents.cluster[17]);

  // Neurons 1 and 4 are of type 0, 9 and 12 of type 1: sorted by type, the fourth curve is that of neuron 12.
  const auto phi = numbers_in(folder.path() / "panel_g_phi.dat");
  ASSERT_EQ(phi.size(), 6U * 61U);
  EXPECT_NEAR(phi[3 * 61 + 10][0], data.phi.x[10], 1e-7);
  EXPECT_NEAR(phi[3 * 61 + 10][1], data.phi.learned.at(3, 10), 1e-7);
  const auto true_phi = numbers_in(folder.path() / "panel_g_phi_true.dat");
  EXPECT_NEAR(true_phi[10][2], data.phi.truth.at(1, 10), 1e-7);

  const auto psi = numbers_in(folder.path() / "panel_h_psi.dat");
  EXPECT_NEAR(psi[40][1], data.psi.learned.at(0, 40), 1e-7);
  EXPECT_NEAR(psi[40][2], data.psi.truth[40], 1e-7);

  const auto loss = numbers_in(folder.path() / "panel_i_loss.dat");
  EXPECT_NEAR(loss[20][0], data.loss->step[20], 1e-7);
  EXPECT_NEAR(loss[20][3], data.loss->phi_zero[20], 1e-7);
}

/// Where the SVG has a cell of the darkest red, above the colour bar.
std::vector<std::pair<double, double>> strongest_cells(const fs::path& svg) {
  const std::regex cell(R"(<polygon fill = 'rgb\(103,   0,  31\)' points = '([0-9.]+),([0-9.]+))");
  const std::string text = read_text(svg);
  std::vector<std::pair<double, double>> corners;
  for (std::sregex_iterator match(text.begin(), text.end(), cell), end; match != end; ++match)
    if (std::stod((*match)[2]) < 320) corners.emplace_back(std::stod((*match)[1]), std::stod((*match)[2]));
  return corners;
}

// The published figure shows the learned matrix transposed; here both have row 0 at the top and column 0 at
// the left.
TEST(Panels, ShowBothMatricesTheSameWayRound) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  for (Table* w : {&data.connectivity.truth, &data.connectivity.learned, &data.connectivity.inset_truth,
                   &data.connectivity.inset_learned})
    std::fill(w->values.begin(), w->values.end(), 0.0);
  constexpr std::size_t post = 2;
  constexpr std::size_t pre = 15;
  data.connectivity.inset_truth.values[post * 20 + pre] = 1;
  data.connectivity.inset_learned.values[post * 20 + pre] = 1;

  draw_panels(folder.path(), data);

  for (const char* file : {"panel_c_connectivity_true.svg", "panel_d_connectivity_learned.svg"}) {
    const auto corners = strongest_cells(folder.path() / file);
    ASSERT_EQ(corners.size(), 1U) << file;
    // The lower left corner of the cell: the inset spans 0.745 to 0.965 of the width and 0.153 to 0.436 of
    // the height.
    EXPECT_NEAR(corners[0].first, 900 * (0.745 + 0.22 * pre / 20), 1) << file;
    EXPECT_NEAR(corners[0].second, 700 * (0.153 + 0.2829 * (post + 1) / 20), 1) << file;
  }
}

TEST(Panels, ShowBothMatricesInTheSameColours) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  for (double& weight : data.connectivity.learned.values) weight *= 3;
  const std::regex limit(R"(\nlimit = ([0-9.e+-]+)\n)");

  draw_panels(folder.path(), data);

  std::vector<std::string> limits;
  for (const char* file : {"panel_c_connectivity_true.gp", "panel_d_connectivity_learned.gp"}) {
    const std::string script = read_text(folder.path() / file);
    std::smatch match;
    ASSERT_TRUE(std::regex_search(script, match, limit)) << file;
    limits.push_back(match[1]);
  }
  EXPECT_EQ(limits[0], limits[1]);
  // The weights are sines: 99 % of them are below a number just under 1.
  EXPECT_NEAR(std::stod(limits[0]), 1.1, 0.005);
}

TEST(Panels, DoWithoutATruth) {
  const TemporaryFolder folder;

  const auto panels = draw_panels(folder.path(), made_up_figures(false));

  EXPECT_THAT(files_of(panels), ElementsAre("panel_b_activity", "panel_d_connectivity_learned",
                                            "panel_f_latents", "panel_g_phi", "panel_h_psi", "panel_i_loss"));
  for (const Panel& panel : panels) {
    EXPECT_EQ(png_size(folder.path() / (panel.file + ".png")).first, 900U);
    EXPECT_THAT(panel.caption, Not(HasSubstr("true"))) << panel.file;
  }
  EXPECT_THAT(read_text(folder.path() / "panel_f_latents.svg"), HasSubstr("cluster 0"));
  EXPECT_EQ(numbers_in(folder.path() / "panel_h_psi.dat")[0].size(), 2U);
  EXPECT_FALSE(fs::exists(folder.path() / "panel_g_phi_true.dat"));
}

std::string caption_of(const std::vector<Panel>& panels, const std::string& letter) {
  for (const Panel& panel : panels)
    if (panel.letter() == letter) return panel.caption;
  return "";
}

TEST(Panels, SayWhichNeuronsASampleHolds) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  data.latents.a.rows = 48;
  data.latents.a.values.resize(96);
  for (auto* of_neuron : {&data.latents.type, &data.latents.cluster}) of_neuron->resize(48);
  for (std::int64_t& neuron : data.connectivity.index) neuron *= 2;

  EXPECT_THAT(caption_of(draw_panels(folder.path(), data), "d"), HasSubstr("W of every 2nd neuron, in the"));
  EXPECT_THAT(read_text(folder.path() / "panel_c_connectivity_true.svg"), HasSubstr("every 2nd neuron"));

  data.connectivity.index.back() += 1;
  EXPECT_THAT(caption_of(draw_panels(folder.path(), data), "c"),
              HasSubstr("24 of the 48 neurons, evenly spaced"));
}

TEST(Panels, CountThePairsBeyondTheAxes) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  data.comparison->counts = {30, 30, std::vector<double>(900, 1.0)};
  data.comparison->r2 = 0.0004;
  data.comparison->slope = -0.0004;

  EXPECT_THAT(caption_of(draw_panels(folder.path(), data), "e"), HasSubstr("17 of 917 lie beyond the axes"));
  EXPECT_THAT(read_text(folder.path() / "panel_e_comparison.svg"), HasSubstr("slope = 0.000"));
}

TEST(Panels, SayHowPsiIsScaledAndWhatOfItIsDrawn) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);

  const std::string scaled = caption_of(draw_panels(folder.path(), data), "h");
  EXPECT_THAT(scaled, HasSubstr("median over the outer fifth of the window, x from 5.6 to 7."));
  EXPECT_THAT(scaled, HasSubstr("from -5 to 5; the data file holds -7 to 8, the observed range"));

  data.scale.plateau_variation.reset();
  const auto panels = draw_panels(folder.path(), data);
  EXPECT_THAT(caption_of(panels, "h"), HasSubstr("as learned"));
  EXPECT_THAT(caption_of(panels, "d"), HasSubstr("as learned, for ψ* has no plateau"));
}

TEST(Panels, DoWithoutALossHistory) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(false);
  data.loss.reset();
  EXPECT_EQ(draw_panels(folder.path(), data).back().file, "panel_h_psi");
}

TEST(Panels, ShowThePsiOfEachGroup) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  data.psi.learned.rows = 2;
  for (int point = 0; point < 61; ++point) data.psi.learned.values.push_back(0.01 * point);

  const auto panels = draw_panels(folder.path(), data);

  EXPECT_THAT(caption_of(panels, "h"), HasSubstr("of each group of presynaptic neurons"));
  EXPECT_THAT(read_text(folder.path() / "panel_h_psi.svg"), HasSubstr("learned, group 1"));
  const auto psi = numbers_in(folder.path() / "panel_h_psi.dat");
  EXPECT_NEAR(psi[40][2], 0.4, 1e-7);
  EXPECT_NEAR(psi[40][3], data.psi.truth[40], 1e-7);
}

TEST(Panels, ShowHowTheClosedFormCameToItsEnd) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  data.loss.reset();
  data.solver = made_up_solver();

  const auto panels = draw_panels(folder.path(), data);

  ASSERT_EQ(panels.size(), 9U);
  EXPECT_EQ(panels[7].file, "panel_j_solver");
  EXPECT_EQ(panels[8].file, "panel_k_phases");
  for (const char* file : {"panel_j_solver", "panel_k_phases"}) {
    EXPECT_EQ(png_size(folder.path() / (std::string(file) + ".png")), std::make_pair(900U, 700U)) << file;
    EXPECT_TRUE(is_well_formed_xml(folder.path() / (std::string(file) + ".svg"))) << file;
  }
  const auto residuals = numbers_in(folder.path() / "panel_j_solver.dat");
  ASSERT_EQ(residuals.size(), 11U);
  EXPECT_EQ(residuals[1],
            (std::vector<double>{2, data.solver->psi_residuals[1], data.solver->psi_dampings[1]}));
  EXPECT_EQ(residuals[10], (std::vector<double>{11, data.solver->row_residuals[1]}));
  const std::string phases = read_text(folder.path() / "panel_k_phases.svg");
  EXPECT_THAT(phases, HasSubstr("rows: Gram_matrix"));
  EXPECT_THAT(phases, HasSubstr("12.5 s, 80 GFLOP/s"));
}

TEST(Panels, SurviveASolverWithoutDampingRowsAndTime) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(false);
  data.loss.reset();
  data.solver = SolverRecord{{0.1}, {0}, {}, {{"psi", 0, 0}}};
  EXPECT_EQ(draw_panels(folder.path(), data).back().file, "panel_j_solver");

  data.solver->psi_residuals = {0};
  EXPECT_EQ(draw_panels(folder.path(), data).back().file, "panel_h_psi")
      << "a residual of zero has no place on a logarithmic axis";
}

TEST(Panels, SurviveAnAssemblyOfManyTypes) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(true);
  for (std::size_t neuron = 0; neuron < data.latents.type.size(); ++neuron)
    data.latents.type[neuron] = static_cast<std::int64_t>(neuron);

  draw_panels(folder.path(), data);

  EXPECT_THAT(read_text(folder.path() / "panel_f_latents.svg"), Not(HasSubstr("type 3")));
}

TEST(Panels, SurviveASingleFlatNeuronAndALossOfZero) {
  const TemporaryFolder folder;
  FigureData data = made_up_figures(false);
  data.series.time = {0};
  data.series.neuron = {5};
  data.series.activity = {1, 1, {0.5}};
  std::fill(data.connectivity.learned.values.begin(), data.connectivity.learned.values.end(), 0.0);
  std::fill(data.connectivity.inset_learned.values.begin(), data.connectivity.inset_learned.values.end(),
            0.0);
  data.loss = LossCurve{{0}, {0}, {0}, {0}, {0}};

  EXPECT_EQ(draw_panels(folder.path(), data).size(), 5U)
      << "a loss of zero has no place on a logarithmic axis";
}

}  // namespace
}  // namespace weft
