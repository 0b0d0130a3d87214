#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "weft/comm/communicator.hpp"
#include "weft/eval/clustering.hpp"
#include "weft/model/recovered_model.hpp"

namespace weft {

/// A model of the whole assembly, in plain numbers and functions.
struct WholeModel {
  std::vector<float> connectivity;  ///< (N x N) [post, pre]
  std::vector<Latent> latents;      ///< (N)
  std::function<double(double x)> psi;
  std::function<double(std::int64_t neuron, double x)> phi;
  std::vector<std::function<double(double x)>> further_psi = {};  ///< of the groups behind the first
  std::optional<WeightErrors> errors = {};                        ///< of all rows

  std::int64_t neurons() const { return static_cast<std::int64_t>(latents.size()); }
};

/// What one rank of `rows` holds of a whole model, which must outlive it.
class FakeModel : public RecoveredModel {
 public:
  FakeModel(const WholeModel& whole, const Communicator& rows) : FakeModel(whole, rows.size(), rows.rank()) {}
  FakeModel(const WholeModel& whole, int shards, int shard)
      : whole_(whole), partition_(whole.neurons(), shards), shard_(shard) {}

  const RowPartition& partition() const override { return partition_; }
  int shard() const override { return shard_; }
  RowBlock<const float> connectivity() const override {
    const std::int64_t columns = whole_.neurons();
    return {whole_.connectivity.data() + begin() * columns, partition_.size(shard_), columns, columns};
  }
  std::vector<double> embedding() const override {
    std::vector<double> flat;
    for (std::int64_t i = begin(); i < partition_.end(shard_); ++i) {
      flat.insert(flat.end(), whole_.latents[i].begin(), whole_.latents[i].end());
    }
    return flat;
  }
  std::vector<double> psi(std::span<const double> x) const override {
    std::vector<double> values;
    for (const double point : x) values.push_back(whole_.psi(point));
    return values;
  }
  std::int64_t psi_groups() const override { return 1 + std::ssize(whole_.further_psi); }
  std::vector<double> psi_of_group(std::int64_t group, std::span<const double> x) const override {
    if (group == 0) return psi(x);
    std::vector<double> values;
    for (const double point : x) values.push_back(whole_.further_psi.at(group - 1)(point));
    return values;
  }
  std::vector<double> phi(LocalRow first, std::int64_t count, std::span<const double> x) const override {
    std::vector<double> values;
    for (std::int64_t row = index(first); row < index(first) + count; ++row) {
      for (const double point : x) values.push_back(whole_.phi(begin() + row, point));
    }
    return values;
  }
  std::optional<WeightErrors> weight_errors() const override {
    if (!whole_.errors) return std::nullopt;
    WeightErrors own = *whole_.errors;
    own.row = {own.row.begin() + begin(), own.row.begin() + partition_.end(shard_)};
    own.residual = {own.residual.begin() + begin(), own.residual.begin() + partition_.end(shard_)};
    return own;
  }

 private:
  std::int64_t begin() const { return partition_.begin(shard_); }

  const WholeModel& whole_;
  RowPartition partition_;
  int shard_;
};

}  // namespace weft
