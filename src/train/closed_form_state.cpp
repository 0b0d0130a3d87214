#include "train/closed_form_state.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ATen/ops/empty.h>

#include "weft/core/error.hpp"
#include "weft/model/element_type.hpp"
#include "weft/model/tensor_view.hpp"

namespace weft {
namespace {

using Sizes = std::vector<std::int64_t>;
constexpr std::int64_t kAny = -1;
constexpr const char* kRemedy = "it is not a state of this training: use another checkpoint, or start anew";

std::int64_t product(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

/// Of one of several shapes.
std::string name_of(const std::string& name, std::int64_t shape) { return fmt::format("{}/{}", name, shape); }

/// A text as a row of numbers, its bytes: a checkpoint holds numbers only.
std::vector<std::int64_t> codes_of(const std::vector<std::string>& lines) {
  const std::string text = fmt::format("{}", fmt::join(lines, "\n"));
  std::vector<std::int64_t> codes;
  for (const char byte : text) codes.push_back(static_cast<unsigned char>(byte));
  return codes;
}

std::vector<std::string> lines_of(const std::vector<std::int64_t>& codes) {
  std::vector<std::string> lines;
  for (const std::int64_t code : codes) {
    if (lines.empty()) lines.emplace_back();
    if (code == '\n') {
      lines.emplace_back();
    } else {
      lines.back().push_back(static_cast<char>(code));
    }
  }
  return lines;
}

/// Takes what `describe` names, for a checkpoint. Arrays without a number are left out.
class Writer {
 public:
  static constexpr bool kReads = false;
  Writer(const ClosedFormShape& shape, SavedState& saved) : shape_(shape), saved_(saved) {}

  template <typename T>
  void number(const char* name, const T& value) {
    if constexpr (std::is_same_v<T, double>) {
      numbers(name, std::vector<double>{value}, 1);
    } else {
      numbers(name, std::vector<std::int64_t>{static_cast<std::int64_t>(value)}, 1);
    }
  }
  void numbers(const char* name, const std::vector<double>& values, std::int64_t) {
    if (!values.empty()) saved_.arrays.common.push_back(view_of(name, saved_.numbers.emplace_back(values)));
  }
  void numbers(const char* name, const std::vector<std::int64_t>& values, std::int64_t) {
    if (!values.empty()) saved_.arrays.common.push_back(view_of(name, saved_.integers.emplace_back(values)));
  }
  void lines(const char* name, const std::vector<std::string>& lines) {
    numbers(name, codes_of(lines), kAny);
  }
  void matrix(const char* name, const at::Tensor& values, const Sizes&) {
    saved_.arrays.common.push_back(view_of(name, values));
  }
  void rows(const std::string& name, const std::vector<double>& values) {
    saved_.arrays.rows.push_back(view_of(name, saved_.numbers.emplace_back(values)));
  }
  void rows(const std::string& name, const at::Tensor& values, const Sizes&, at::ScalarType) {
    if (values.numel() > 0)
      saved_.arrays.rows.push_back(view_of(name, saved_.tensors.emplace_back(values.cpu())));
  }
  void stacked_rows(const std::string& name, const at::Tensor& values, std::int64_t count,
                    at::ScalarType type) {
    const std::int64_t rows_of_one = shape_.partition.size(shape_.shard);
    for (std::int64_t a = 0; a < count; ++a)
      rows(name_of(name, a), values.narrow(0, a * rows_of_one, rows_of_one), {}, type);
  }
  /// The Gram matrix or its factor, whichever there is.
  void gram(const char* name, const RowState& state, at::ScalarType type) {
    if (state.gram) return rows(name, state.gram->rows_so_far(), {}, type);
    const at::Tensor& whole = state.factor ? state.factor->upper() : state.matrix;
    const std::int64_t first = shape_.partition.begin(shape_.shard);
    rows(name, whole.narrow(0, first, shape_.partition.size(shape_.shard)), {}, type);
  }

 private:
  const ClosedFormShape& shape_;
  SavedState& saved_;
};

/// Fills what `describe` names from a checkpoint.
class Reader {
 public:
  static constexpr bool kReads = true;
  Reader(const Checkpoint& checkpoint, const ClosedFormShape& shape)
      : checkpoint_(checkpoint), shape_(shape), present_(checkpoint.arrays()) {}

  template <typename T>
  void number(const char* name, T& value) {
    std::vector<double> one;
    numbers(name, one, 1);
    if constexpr (!std::is_same_v<T, double>) require_whole(name, one);
    value = static_cast<T>(one.front());
  }
  template <typename T>
  void numbers(const char* name, std::vector<T>& values, std::int64_t count) {
    std::vector<double> found;
    if (present_.contains(name)) found = checkpoint_.read_common(name);
    if (count != kAny && std::ssize(found) != count) refuse(name, {std::ssize(found)}, {count});
    if constexpr (std::is_same_v<T, std::int64_t>) require_whole(name, found);
    values.assign(found.begin(), found.end());
  }
  void lines(const char* name, std::vector<std::string>& lines) {
    std::vector<std::int64_t> codes;
    numbers(name, codes, kAny);
    lines = lines_of(codes);
  }
  void matrix(const char* name, at::Tensor& values, const Sizes& sizes) {
    std::vector<double> found;
    numbers(name, found, product(sizes));
    values = at::empty(sizes, at::kDouble);
    std::ranges::copy(found, values.mutable_data_ptr<double>());
  }
  void rows(const std::string& name, std::vector<double>& values) {
    values.resize(static_cast<std::size_t>(shape_.partition.size(shape_.shard)));
    read(name, own_rows(), std::span(values), {});
  }
  /// `sizes` are those of one row.
  void rows(const std::string& name, at::Tensor& values, const Sizes& sizes, at::ScalarType type) {
    Sizes all{own_rows().count};
    all.insert(all.end(), sizes.begin(), sizes.end());
    values = at::empty(all, type);
    if (values.numel() > 0) read_block(name, own_rows(), sizes, values);
  }
  /// `count` blocks of own rows, one below the other.
  void stacked_rows(const std::string& name, at::Tensor& values, std::int64_t count, at::ScalarType type) {
    const std::int64_t neurons = shape_.partition.rows();
    const Rows own = own_rows();
    values = at::empty({count * own.count, neurons}, type);
    for (std::int64_t a = 0; a < count; ++a)
      read_block(name_of(name, a), own, {neurons}, values.narrow(0, a * own.count, own.count));
  }
  void gram(const char* name, RowState& state, at::ScalarType type) {
    const std::int64_t neurons = shape_.partition.rows();
    state.matrix = at::empty({neurons, neurons}, type);
    read_block(name, {0, neurons}, {neurons}, state.matrix);
  }
  void require(bool sane, const char* name) const {
    if (!sane)
      throw UserError({checkpoint_.folder().string(), fmt::format("{} makes no sense", name), "", kRemedy});
  }

  [[noreturn]] void refuse(const std::string& name, const Sizes& found, const Sizes& expected) const {
    throw UserError({checkpoint_.folder().string(),
                     fmt::format("{} of shape ({})", name, fmt::join(found, ", ")),
                     fmt::format("({})", fmt::join(expected, ", ")), kRemedy});
  }

 private:
  struct Rows {
    std::int64_t first, count;
  };
  Rows own_rows() const {
    return {shape_.partition.begin(shape_.shard), shape_.partition.size(shape_.shard)};
  }
  template <typename T>
  void read(const std::string& name, Rows rows, std::span<T> values, const Sizes& sizes_of_row) {
    Sizes expected{shape_.partition.rows()};
    expected.insert(expected.end(), sizes_of_row.begin(), sizes_of_row.end());
    const auto found = present_.find(name);
    if (found == present_.end()) refuse(name, {}, expected);
    if (found->second != expected) refuse(name, found->second, expected);
    checkpoint_.read_rows(name, GlobalRow{rows.first}, rows.count, values);
  }
  void read_block(const std::string& name, Rows rows, const Sizes& sizes_of_row, at::Tensor values) {
    with_element_type(values, [&]<typename T>(T*) {
      read(name, rows, std::span(values.mutable_data_ptr<T>(), static_cast<std::size_t>(values.numel())),
           sizes_of_row);
    });
  }
  void require_whole(const char* name, const std::vector<double>& values) const {
    for (const double value : values)
      require(value >= 0 && value < 0x1p53 && value == std::floor(value), name);
  }

  const Checkpoint& checkpoint_;
  const ClosedFormShape& shape_;
  std::map<std::string, Sizes> present_;
};

// Every array of a state has its name below, and there alone: `archive` is a Writer, or a Reader, which fills
// what it is given.

template <typename Archive, typename Account>
void describe_work(Archive& archive, Account& work) {
  std::vector<std::string> names;
  std::vector<double> seconds, flops;
  for (const WorkLog::Phase& phase : work.phases) {
    names.push_back(phase.name);
    seconds.push_back(phase.seconds);
    flops.push_back(phase.flops);
  }
  archive.lines("state/work/phase", names);
  archive.numbers("state/work/phase_seconds", seconds, std::ssize(names));
  archive.numbers("state/work/phase_flops", flops, std::ssize(names));
  archive.number("state/work/seconds", work.seconds);
  archive.number("state/work/flops", work.flops);
  if constexpr (Archive::kReads)
    for (std::size_t k = 0; k < names.size(); ++k) work.phases.push_back({names[k], seconds[k], flops[k]});
}

template <typename Archive, typename Form>
void describe_form(Archive& archive, Form& form) {
  bool is_double = form.type == at::kDouble;
  archive.number("state/form/differenced", form.differenced);
  archive.number("state/form/float64", is_double);
  archive.number("state/form/tf32", form.tf32);
  if constexpr (Archive::kReads) form.type = is_double ? at::kDouble : at::kFloat;
}

template <typename Archive, typename Search>
void describe_search(Archive& archive, const ClosedFormShape& shape, Search& s) {
  const std::int64_t u = shape.psi_unknowns, m = shape.phi_splines;
  archive.number("state/search/part", s.part);
  archive.numbers("state/search/residuals", s.result.residuals, kAny);
  archive.numbers("state/search/dampings", s.result.dampings, std::ssize(s.result.residuals));
  archive.number("state/search/rejected_steps", s.result.rejected_steps);
  if (s.part == PsiSearchState::kParts) {
    auto& result = s.result;
    archive.numbers("state/search/psi", result.psi, u);
    archive.number("state/search/psi_error", result.psi_error);
    archive.numbers("state/search/rows", result.rows, kAny);
    archive.numbers("state/search/phi", result.phi, std::ssize(result.rows) * m);
    archive.numbers("state/search/metric", result.metric, std::ssize(result.rows) * m * m);
    archive.number("state/search/total_squares", result.total_squares);
    archive.number("state/search/residual_squares", result.residual_squares);
    archive.number("state/search/degrees_of_freedom", result.degrees_of_freedom);
    archive.number("state/search/frames", result.frames);
    return;
  }
  archive.numbers("state/search/rows", s.rows, kAny);
  archive.number("state/search/frames", s.frames);
  archive.number("state/search/steps", s.steps);
  archive.number("state/search/damping", s.damping);
  archive.numbers("state/search/next", s.next, u);
  if (s.steps == 0) return;  // nothing of this part has been evaluated
  archive.numbers("state/search/best/psi", s.best.psi, u);
  archive.number("state/search/best/residual", s.best.residual);
  archive.numbers("state/search/best/phi", s.best.phi, std::ssize(s.rows) * m);
  archive.numbers("state/search/best/metric", s.best.metric, std::ssize(s.rows) * m * m);
  archive.matrix("state/search/quadratic/matrix", s.quadratic.matrix, {u, u});
  archive.matrix("state/search/quadratic/gradient", s.quadratic.gradient, {u, 1});
  archive.matrix("state/search/quadratic/damping", s.quadratic.damping, {u, u});
}

template <typename Archive, typename Shapes>
void describe_shapes(Archive& archive, const ClosedFormShape& shape, Shapes& shapes) {
  archive.number("state/shapes/splines", shapes.splines);
  if (shapes.splines == 0) return;  // not looked for yet
  archive.number("state/shapes/enough", shapes.enough);
  archive.numbers("state/shapes/coefficients", shapes.coefficients, kAny);
  archive.numbers("state/shapes/excess", shapes.excess, kAny);
  if constexpr (Archive::kReads)
    archive.require(
        shapes.splines == shape.phi_splines && std::ssize(shapes.coefficients) % shapes.splines == 0,
        "state/shapes");
}

/// Their scales are 1.
template <typename Archive, typename Scaling>
void describe_mean(Archive& archive, const std::string& name, Scaling& scaling) {
  archive.rows(name, scaling.mean);
  if constexpr (Archive::kReads) scaling.scale.assign(scaling.mean.size(), 1);
}

template <typename Archive, typename Scaling>
void describe_scaling(Archive& archive, std::int64_t shapes, Scaling& scaling) {
  archive.rows("state/rows/psi_mean", scaling.psi.mean);
  archive.rows("state/rows/psi_scale", scaling.psi.scale);
  if constexpr (Archive::kReads) scaling.shapes.resize(static_cast<std::size_t>(shapes));
  for (std::int64_t a = 0; a < shapes; ++a)
    describe_mean(archive, name_of("state/rows/shape_mean", a), scaling.shapes[static_cast<std::size_t>(a)]);
}

/// What a solution consists of besides W and the weights of the shapes.
template <typename Archive, typename Solution>
void describe_solution(Archive& archive, std::int64_t neurons, Solution& solution) {
  archive.rows("state/rows/constant", solution.constant);
  archive.rows("state/rows/deviation", solution.deviation);
  archive.rows("state/rows/residual", solution.residual);
  archive.numbers("state/rows/column_error", solution.column_error, neurons);
  archive.number("state/rows/residual_autocorrelation", solution.residual_autocorrelation);
  archive.number("state/rows/resolution", solution.resolution);
}

template <typename Archive, typename Rows>
void describe_rows(Archive& archive, const ClosedFormShape& shape, std::int64_t m, at::ScalarType type,
                   Rows& s) {
  const std::int64_t n = shape.partition.rows();
  archive.number("state/rows/stage", s.stage);
  if constexpr (Archive::kReads)
    archive.require(s.stage >= RowStage::begun && s.stage <= RowStage::solved, "state/rows/stage");
  if (s.stage == RowStage::begun) return;
  archive.number("state/rows/frames_done", s.frames_done);
  archive.number("state/rows/silent_columns", s.solution.silent_columns);
  describe_mean(archive, "state/rows/y_mean", s.scaling.y);
  if (s.stage < RowStage::solved) describe_scaling(archive, m, s.scaling);
  if (s.stage == RowStage::adding && s.frames_done == 0) return;

  archive.rows("state/rows/weights", s.weights, {n}, type);
  if (s.stage < RowStage::solved) {
    archive.gram("state/rows/gram", s, type);
    archive.rows("state/rows/row_squares", s.row_squares, {}, at::kDouble);
  }
  if (s.stage >= RowStage::added) archive.number("state/rows/total_squares", s.total_squares);
  if (s.stage <= RowStage::added) {
    archive.stacked_rows("state/rows/shape_right", s.shape_right, m, type);
    archive.rows("state/rows/shape_products", s.shape_products, {m, m}, at::kDouble);
    archive.rows("state/rows/shape_data", s.shape_data, {m}, at::kDouble);
    return;
  }
  archive.rows("state/rows/shape_weight", s.shape_weight, {m}, at::kDouble);
  archive.number("state/rows/ridge", s.ridge);
  archive.number("state/rows/smallest_pivot", s.solution.smallest_pivot);
  archive.number("state/rows/largest_pivot", s.solution.largest_pivot);
  archive.number("state/rows/weak_directions", s.solution.weak_directions);
  archive.numbers("state/rows/residuals", s.solution.residuals, kAny);
  if (s.stage == RowStage::solved) return describe_solution(archive, n, s.solution);
  if (s.stage == RowStage::refined) return;
  archive.number("state/rows/change", s.change);
  archive.stacked_rows("state/rows/shape_solved", s.shape_solved, m, type);
  archive.rows("state/rows/schur_inverse", s.schur_inverse, {m, m}, at::kDouble);
  if (s.frames_done == 0) return;
  archive.rows("state/rows/right", s.right, {n}, type);
  archive.rows("state/rows/shape_rest", s.shape_rest, {m}, at::kDouble);
  archive.rows("state/rows/rest_squares", s.rest_squares, {}, at::kDouble);
}

template <typename Archive, typename State>
void describe(Archive& archive, const ClosedFormShape& shape, State& state) {
  archive.number("state/points", state.points);
  describe_form(archive, state.form);
  archive.lines("state/fallbacks", state.fallbacks);
  describe_work(archive, state.work);
  archive.number("state/work/phases_of_others", state.phases_of_others);
  describe_search(archive, shape, state.search);
  describe_shapes(archive, shape, state.shapes);
  const std::int64_t shapes = state.shapes.splines > 0 ? state.shapes.count() : 0;
  describe_rows(archive, shape, shapes, state.form.type, state.rows);
}

/// What the arrays' shapes do not show.
void require_sane(const Reader& reader, const ClosedFormShape& shape, const ClosedFormState& state) {
  const PsiSearchState& search = state.search;
  const bool found = search.part == PsiSearchState::kParts;
  reader.require(search.part <= PsiSearchState::kParts, "state/search/part");
  const std::vector<std::int64_t>& rows = found ? search.result.rows : search.rows;
  reader.require(!rows.empty() && std::ranges::all_of(
                                      rows, [&](std::int64_t row) { return row < shape.partition.rows(); }),
                 "state/search/rows");
  reader.require(!search.result.residuals.empty(), "state/search/residuals");
  reader.require(found || state.shapes.splines == 0, "state/shapes/splines");
  reader.require(state.shapes.splines > 0 || state.rows.stage == RowStage::begun, "state/rows/stage");
  reader.require(state.rows.stage < RowStage::refined || !state.rows.solution.residuals.empty(),
                 "state/rows/residuals");
  reader.require(state.phases_of_others <= std::ssize(state.work.phases), "state/work/phases_of_others");
}

}  // namespace

SavedState arrays_of_state(const ClosedFormState& state, const ClosedFormShape& shape) {
  SavedState saved;
  Writer writer(shape, saved);
  describe(writer, shape, state);
  return saved;
}

ClosedFormState load_state(const Checkpoint& checkpoint, const ClosedFormShape& shape) {
  checkpoint.require_neurons(shape.partition.rows());
  if (!checkpoint.has("state/points"))
    throw UserError({checkpoint.folder().string(), "no state of a closed form under way", "", kRemedy});
  Reader reader(checkpoint, shape);
  ClosedFormState state;
  describe(reader, shape, state);
  require_sane(reader, shape, state);
  return state;
}

}  // namespace weft
