#include "ps/life/admission.h"

#include <algorithm>

namespace freshet::ps {
namespace {

std::unique_ptr<CountingBloom> MakeFilter(const FeatureRules& rules,
                                          const PartitionMap& partitions) {
  const proto::Admission& admission = rules.policy().rules().admission();
  if (!admission.bloom()) {
    return nullptr;
  }
  return std::make_unique<CountingBloom>(
      partitions, admission.max_element_size(), admission.false_positive_probability());
}

// The smallest key of a partition.
Key FirstKeyOf(PartitionId partition, uint32_t partition_count) {
  const auto begin = static_cast<unsigned __int128>(partition.value()) << 64U;
  return static_cast<Key>((begin + partition_count - 1) / partition_count);
}

}  // namespace

Admission::Admission(const FeatureRules& rules, const PartitionMap& partitions)
    : rules_(rules),
      partitions_(partitions),
      candidates_(rules),
      filter_(MakeFilter(rules, partitions)) {}

bool Admission::Touch(
    Key key, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s, Seen* seen) {
  if (!rules_.MayEverAdmit(key, slot)) {
    return false;
  }
  if (!rules_.Gates(slot)) {
    Seen first;
    rules_.Touch(first, slot, count, step, event_time_s);
    *seen = first;
    return true;
  }
  return filter_ == nullptr ? TouchCandidate(key, slot, count, step, event_time_s, seen)
                            : TouchFilter(key, slot, count, step, event_time_s, seen);
}

// The filter is asked before it counts this push: a key that gets its row then leaves no more
// behind in it than it had.
bool Admission::TouchFilter(
    Key key, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s, Seen* seen) {
  Seen sum{.frequency = filter_->Estimate(key)};
  const auto shows_before = static_cast<float>(sum.frequency);
  rules_.Touch(sum, slot, count, step, event_time_s);
  if (!rules_.Admits(slot, sum)) {
    filter_->Add(key, static_cast<uint32_t>(count.shows));
    return false;
  }
  if (rules_.NeedsLife()) {
    sum.life.shows += shows_before;
  }
  filter_->Remove(key);
  *seen = sum;
  return true;
}

bool Admission::TouchCandidate(
    Key key, uint32_t slot, KeyCount count, uint64_t step, uint32_t event_time_s, Seen* seen) {
  Seen sum = candidates_.Find(key).value_or(Seen{});
  rules_.Touch(sum, slot, count, step, event_time_s);
  if (!rules_.Admits(slot, sum)) {
    candidates_.Set(key, sum);
    return false;
  }
  candidates_.Forget(key);
  *seen = sum;
  return true;
}

void Admission::Forget(Key key) {
  candidates_.Forget(key);
  if (filter_ != nullptr) {
    filter_->Remove(key);
  }
}

uint64_t Admission::Evict(uint64_t hash_begin,
                          uint64_t hash_end_inclusive,
                          const StreamClock& now) {
  return candidates_.Evict(hash_begin, hash_end_inclusive, now);
}

std::optional<Seen> Admission::Peek(Key key) const {
  if (filter_ == nullptr) {
    return candidates_.Find(key);
  }
  const uint32_t estimate = filter_->Estimate(key);
  return estimate == 0 ? std::nullopt : std::optional(Seen{.frequency = estimate});
}

Admission::CutSize Admission::BeginCut(bool full) {
  const Candidates::CutSize exact = candidates_.BeginCut(full);
  return {.candidates = exact.candidates,
          .tombstones = exact.tombstones,
          .blocks = filter_ == nullptr ? 0 : filter_->BeginCut(full)};
}

bool Admission::CopyCut(size_t max_items) {
  return candidates_.CopyCut(max_items) || (filter_ != nullptr && filter_->CopyCut(max_items));
}

Admission::Columns Admission::TakeCut() {
  return {.candidates = candidates_.TakeCut(),
          .filter = filter_ == nullptr ? FilterBlocks{} : filter_->TakeCut()};
}

void Admission::EndCut(bool committed) {
  candidates_.EndCut(committed);
  if (filter_ != nullptr) {
    filter_->EndCut(committed);
  }
}

Status Admission::Load(const EmbeddingRows& rows, absl::FunctionRef<bool(Key)> owns) {
  FRESHET_RETURN_IF_ERROR(Annotate(candidates_.Load(rows.candidates, owns), rows.variable));
  if (filter_ == nullptr) {
    return rows.filter.blocks.empty()
               ? absl::OkStatus()
               : DataLoss("{}: blocks of a filter, but its policy has none", rows.variable);
  }
  const auto owns_partition = [&](PartitionId partition) {
    return owns(FirstKeyOf(partition, partitions_.partition_count()));
  };
  return Annotate(filter_->Load(rows.filter, owns_partition), rows.variable);
}

uint64_t Admission::bytes() const {
  return candidates_.bytes() + (filter_ == nullptr ? 0 : filter_->bytes());
}

}  // namespace freshet::ps
