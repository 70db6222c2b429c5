#include "ps/split.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "common/cluster/limits.h"
#include "common/model/find_variable.h"
#include "ps/model_check.h"

namespace freshet::ps {
namespace {

using Runs = google::protobuf::RepeatedPtrField<proto::KeyRun>;

// A model without slots has keys all the same: those of slot 0.
uint32_t SlotCount(const proto::ModelSpec& model) {
  return std::max(1U, static_cast<uint32_t>(model.slots_size()));
}

Status CheckOwnsDense(const proto::ModelSpec& model,
                      const Ownership& ownership,
                      uint32_t variable) {
  return ownership.OwnsDense(variable)
             ? absl::OkStatus()
             : InvalidArgument("dense variable {} belongs to server {}, this is server {}",
                               model.dense_variables(static_cast<int>(variable)).name(),
                               ownership.partitions().ServerOfDense(variable),
                               ownership.server());
}

// A client's bug that costs a set per run to find: debug builds alone look for it.
Status CheckUnique([[maybe_unused]] const std::string& variable,
                   [[maybe_unused]] std::span<const Key> keys) {
#ifndef NDEBUG
  absl::flat_hash_set<Key> seen;
  for (const Key key : keys) {
    if (!seen.insert(key).second) {
      return InvalidArgument(
          "embedding variable {}: key {:016x} comes twice in a run", variable, key);
    }
  }
#endif
  return absl::OkStatus();
}

constexpr uint32_t kForeign = UINT32_MAX;

// owners[i] = the owner thread of keys[i], or kForeign.
void FindOwners(const Ownership& ownership,
                std::span<const Key> keys,
                std::vector<uint32_t>& owners) {
  owners.resize(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const PartitionId partition = ownership.partitions().PartitionOf(keys[i]);
    owners[i] = ownership.OwnsPartition(partition) ? ownership.ThreadOf(partition) : kForeign;
  }
}

Status CheckOwnsAll(const std::string& variable,
                    const Ownership& ownership,
                    std::span<const Key> keys) {
  const auto foreign = std::find_if_not(
      keys.begin(), keys.end(), [&ownership](Key key) { return ownership.OwnsKey(key); });
  return foreign == keys.end() ? absl::OkStatus() : CheckOwned(variable, ownership, *foreign);
}

// Sorts the keys of a run by owner thread, behind what earlier runs left in `split`.
void SortRun(OwnedRun run, std::span<const uint32_t> owners, SplitPayload& split) {
  for (uint32_t owner = 0; owner < split.by_owner.size(); ++owner) {
    const size_t begin = split.sorted_keys.size();
    for (uint32_t i = 0; i < owners.size(); ++i) {
      if (owners[i] == owner) {
        split.sorted_keys.push_back(run.keys[i]);
        split.sorted_positions.push_back(i);
      }
    }
    if (const size_t count = split.sorted_keys.size() - begin; count > 0) {
      OwnedRun owned = run;
      owned.keys = {split.sorted_keys.data() + begin, count};
      owned.positions = {split.sorted_positions.data() + begin, count};
      split.by_owner[owner].push_back(owned);
    }
  }
}

void AddDense(const proto::ModelSpec& model, uint32_t variable, SplitPayload& split) {
  const uint64_t floats = ElementsOf(model.dense_variables(static_cast<int>(variable)));
  split.dense.push_back({.variable = variable, .first_float = split.floats, .floats = floats});
  split.floats += floats;
}

}  // namespace

Status CheckRuns(const proto::ModelSpec& model, const Runs& runs, size_t payload_bytes) {
  uint64_t keys = 0;
  for (const proto::KeyRun& run : runs) {
    if (run.variable() >= static_cast<uint32_t>(model.embedding_variables_size())) {
      return InvalidArgument("embedding variable {}: the model has {}",
                             run.variable(),
                             model.embedding_variables_size());
    }
    if (run.slot() >= SlotCount(model)) {
      return InvalidArgument("embedding variable {}: its run is of slot {}, the model has {} slots",
                             model.embedding_variables(static_cast<int>(run.variable())).name(),
                             run.slot(),
                             model.slots_size());
    }
    keys += run.keys();
  }
  if (keys > kMaxKeysPerRequest) {
    return InvalidArgument(
        "a request of {} keys, at most {} are allowed; make batches smaller (training.batch_size)",
        keys,
        kMaxKeysPerRequest);
  }
  if (keys * sizeof(Key) > payload_bytes) {
    return InvalidArgument(
        "a payload of {} bytes cannot hold the {} keys of its runs", payload_bytes, keys);
  }
  return absl::OkStatus();
}

Status CheckDense(const proto::ModelSpec& model,
                  const google::protobuf::RepeatedField<uint32_t>& dense) {
  std::vector<bool> seen(static_cast<size_t>(model.dense_variables_size()));
  for (const uint32_t variable : dense) {
    if (variable >= seen.size()) {
      return InvalidArgument("dense variable {}: the model has {}", variable, seen.size());
    }
    if (seen[variable]) {
      return InvalidArgument("dense variable {} comes twice in a request",
                             model.dense_variables(static_cast<int>(variable)).name());
    }
    seen[variable] = true;
  }
  return absl::OkStatus();
}

void SplitPayload::Reserve(uint64_t keys_to_sort) {
  sorted_keys.reserve(keys_to_sort);
  sorted_positions.reserve(keys_to_sort);
}

std::vector<uint32_t> SplitPayload::Owners() const {
  std::vector<uint32_t> owners;
  for (uint32_t owner = 0; owner < by_owner.size(); ++owner) {
    if (!by_owner[owner].empty() || (owner == 0 && !dense.empty())) {
      owners.push_back(owner);
    }
  }
  return owners;
}

Status CheckOwned(const std::string& variable, const Ownership& ownership, Key key) {
  return ownership.OwnsKey(key)
             ? absl::OkStatus()
             : InvalidArgument(
                   "embedding variable {}: key {:016x} belongs to server {}, this is server {}",
                   variable,
                   key,
                   ownership.partitions().ServerOfKey(key),
                   ownership.server());
}

StatusOr<SplitPayload> SplitByOwner(const proto::ModelSpec& model,
                                    const Ownership& ownership,
                                    const Runs& runs,
                                    const google::protobuf::RepeatedField<uint32_t>& dense,
                                    std::span<const std::byte> payload) {
  FRESHET_RETURN_IF_ERROR(CheckRuns(model, runs, payload.size()));
  SplitPayload split;
  split.by_owner.resize(ownership.owner_threads());
  const bool one_owner = ownership.owner_threads() == 1;
  if (!one_owner) {
    split.Reserve(payload.size() / sizeof(Key));
  }
  std::vector<uint32_t> owners;
  const Key* next = reinterpret_cast<const Key*>(payload.data());
  for (const proto::KeyRun& run : runs) {
    const auto& variable = model.embedding_variables(static_cast<int>(run.variable()));
    const OwnedRun whole{.variable = run.variable(),
                         .slot = run.slot(),
                         .keys = {next, run.keys()},
                         .first_float = split.floats,
                         .floats = uint64_t{run.keys()} * variable.dim(),
                         .first_key = split.keys,
                         .run_keys = run.keys()};
    FRESHET_RETURN_IF_ERROR(CheckUnique(variable.name(), whole.keys));
    FRESHET_RETURN_IF_ERROR(CheckOwnsAll(variable.name(), ownership, whole.keys));
    if (!one_owner) {
      FindOwners(ownership, whole.keys, owners);
      SortRun(whole, owners, split);
    } else if (!whole.keys.empty()) {
      split.by_owner[0].push_back(whole);
    }
    split.keys += run.keys();
    split.floats += whole.floats;
    next += run.keys();
  }
  FRESHET_RETURN_IF_ERROR(CheckDense(model, dense));
  for (const uint32_t variable : dense) {
    FRESHET_RETURN_IF_ERROR(CheckOwnsDense(model, ownership, variable));
    AddDense(model, variable, split);
  }
  return split;
}

StatusOr<SplitPayload> SplitDelete(const proto::ModelSpec& model,
                                   const Ownership& ownership,
                                   const std::string& variable,
                                   std::span<const std::byte> payload) {
  if (payload.size() % sizeof(Key) != 0) {
    return InvalidArgument("the payload of the delete has {} bytes, no whole number of keys",
                           payload.size());
  }
  FRESHET_ASSIGN_OR_RETURN(const uint32_t index, FindEmbeddingVariable(model, variable));
  SplitPayload split;
  split.keys = payload.size() / sizeof(Key);
  split.by_owner.resize(ownership.owner_threads());
  split.Reserve(split.keys);
  const OwnedRun whole{.variable = index,
                       .keys = {reinterpret_cast<const Key*>(payload.data()), split.keys}};
  std::vector<uint32_t> owners;
  FindOwners(ownership, whole.keys, owners);
  SortRun(whole, owners, split);
  return split;
}

}  // namespace freshet::ps
