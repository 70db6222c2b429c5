// How a follower gets from the version that is served to another one.
#include <algorithm>
#include <memory>
#include <utility>

#include "common/read_ahead.h"
#include "serving/log_follower.h"
#include "serving/version_patch.h"

namespace freshet::serving {
namespace {

// Of the rows of a version, the part that it pays to change one by one.
constexpr uint64_t kMostTouched = 2;

uint64_t RowsOf(const std::vector<proto::Manifest>& manifests) {
  uint64_t rows = 0;
  for (const proto::Manifest& manifest : manifests) {
    for (const proto::PartFile& part : manifest.parts()) {
      rows += part.rows() + part.tombstones();
    }
  }
  return rows;
}

VersionFacts FactsOf(const proto::Manifest& manifest) {
  return {.version = VersionId(manifest.version()),
          .restores = VersionId(0),
          .created_unix_ms = manifest.created_unix_ms(),
          .newest_arrival_ms = manifest.newest_arrival_ms(),
          .event_time_watermark_ms = manifest.event_time_watermark_ms()};
}

}  // namespace

// A delta that has become a base since. What cannot be read of it is not needed: the delta is
// there.
std::optional<LogFollower::Rolled> LogFollower::BaseOf(VersionId version, size_t after) const {
  StatusOr<proto::Manifest> base = log_.ReadBase(version);
  if (!base.ok()) {
    return std::nullopt;
  }
  base->clear_workers();
  return Rolled{.after = after, .manifest = *std::move(base)};
}

StatusOr<LogFollower::Plan> LogFollower::MakePlan(VersionId version) {
  Plan plan;
  std::optional<Rolled> base;  // the newest
  // Ends: the log refuses a manifest whose parent is not smaller than itself.
  for (VersionId next = version; next.value() != 0;) {
    // What is served never goes back: a chain that would pass through a version before the present
    // one (a rollback from another line) is loaded aside as a whole.
    const bool forward = plan.chain.empty() || plan.chain.back().version() > served().value();
    if (next == content_ && forward) {
      std::reverse(plan.chain.begin(), plan.chain.end());
      return plan;
    }
    if (base.has_value() && (content_.value() == 0 || next < content_)) {
      break;  // it does not come any more
    }
    StatusOr<proto::Manifest> manifest = Manifest(next);
    if (!manifest.ok() && base.has_value()) {
      break;
    }
    if (!manifest.ok()) {
      return next == version
                 ? manifest.status()
                 : Annotate(manifest.status(), fmt::format("needs version {}", next.value()));
    }
    if (next == version) {
      plan.head = *manifest;
    }
    if (!base.has_value() && manifest->kind() == proto::Manifest::DELTA) {
      base = BaseOf(next, plan.chain.size());
    }
    next = VersionId(manifest->kind() == proto::Manifest::BASE ? 0 : manifest->parent());
    if (manifest->kind() != proto::Manifest::ROLLBACK) {
      plan.chain.push_back(*std::move(manifest));
    }
  }
  if (base.has_value()) {
    plan.chain.resize(base->after);
    plan.chain.push_back(std::move(base->manifest));
  }
  std::reverse(plan.chain.begin(), plan.chain.end());
  plan.reload = true;
  return plan;
}

Status LogFollower::TryToServe(VersionId version) {
  FRESHET_ASSIGN_OR_RETURN(const Plan plan, MakePlan(version));
  if (plan.reload) {
    FRESHET_ASSIGN_OR_RETURN(const bool patched, Patch(plan));
    if (!patched) {
      FRESHET_RETURN_IF_ERROR(Load(plan));
    }
  } else {
    for (const proto::Manifest& manifest : plan.chain) {
      FRESHET_RETURN_IF_ERROR(ApplyDelta(manifest));
    }
    if (served() != version) {
      Relabel(plan.head);
    }
  }
  return absl::OkStatus();
}

StatusOr<PartContents> LogFollower::ReadFitting(const proto::Manifest& manifest,
                                                const proto::PartFile& part,
                                                const Weights& weights,
                                                const TouchedKeys* only) {
  const VersionId version(manifest.version());
  StatusOr<PartContents> contents =
      ReadPart(files_, log_.VersionDirectory(version), part, PartColumns::kServing, only);
  Status status = contents.status();
  if (status.ok()) {
    status = Annotate(weights.Check(*contents),
                      fmt::format("part {} of version {}", part.name(), version.value()));
  }
  if (!status.ok()) {
    if (!IsPassing(status)) {
      damaged_.emplace(version, status);
    }
    return status;
  }
  return contents;
}

// Nothing is applied before all of it has been read.
Status LogFollower::ApplyDelta(const proto::Manifest& manifest) {
  const auto began = clock_.Monotonic();
  if (manifest.config_xxh3() != model_hash_) {
    return InvalidArgument("version {} is a delta of another model: config_xxh3 {}, served is {}",
                           manifest.version(),
                           manifest.config_xxh3(),
                           model_hash_);
  }
  std::vector<PartContents> parts;
  for (const proto::PartFile& part : manifest.parts()) {
    FRESHET_ASSIGN_OR_RETURN(PartContents contents,
                             ReadFitting(manifest, part, store_.current().weights(), nullptr));
    parts.push_back(std::move(contents));
  }
  store_.Apply(FactsOf(manifest), parts);
  content_ = VersionId(manifest.version());
  metrics_.applied_deltas.Increment();
  Served(manifest, began);
  return absl::OkStatus();
}

// A rollback to what is served: the same model by a new number.
void LogFollower::Relabel(const proto::Manifest& head) {
  const auto began = clock_.Monotonic();
  VersionFacts facts = store_.current().facts();
  facts.version = VersionId(head.version());
  facts.restores = content_;
  facts.created_unix_ms = head.created_unix_ms();
  store_.Apply(facts, {});
  metrics_.applied_deltas.Increment();
  Served(head, began);
}

VersionFacts LogFollower::FactsOfPlan(const Plan& plan) {
  const proto::Manifest& last = plan.chain.back();
  VersionFacts facts = FactsOf(last);
  if (plan.head.version() != last.version()) {
    facts.version = VersionId(plan.head.version());
    facts.restores = VersionId(last.version());
    facts.created_unix_ms = plan.head.created_unix_ms();
  }
  return facts;
}

Status LogFollower::ForEachPartOf(const Plan& plan,
                                  const Weights& weights,
                                  const TouchedKeys* only,
                                  const std::function<void(const PartContents&)>& use) {
  std::vector<std::pair<const proto::Manifest*, const proto::PartFile*>> parts;
  for (const proto::Manifest& manifest : plan.chain) {
    for (const proto::PartFile& part : manifest.parts()) {
      parts.emplace_back(&manifest, &part);
    }
  }
  return ReadAhead<PartContents>(
      parts.size(),
      [&](size_t i) { return ReadFitting(*parts[i].first, *parts[i].second, weights, only); },
      [&use](size_t, const PartContents& part) {
        use(part);
        return absl::OkStatus();
      });
}

Status LogFollower::Load(const Plan& plan) {
  const auto began = clock_.Monotonic();
  if (plan.chain.empty()) {
    return DataLoss("version {} is a rollback to nothing", plan.head.version());
  }
  const proto::Manifest& last = plan.chain.back();
  std::shared_ptr<const Schema> schema = store_.current().shared_schema();
  if (schema == nullptr || last.config_xxh3() != model_hash_) {
    FRESHET_ASSIGN_OR_RETURN(schema, Schema::Make(last.model()));
  }
  const auto fill = [&](const Weights& weights, const ModelStore::AddPart& add) {
    return ForEachPartOf(plan, weights, nullptr, add);
  };
  FRESHET_RETURN_IF_ERROR(store_.Load(FactsOfPlan(plan), std::move(schema), fill));
  content_ = VersionId(last.version());
  model_hash_ = last.config_xxh3();
  metrics_.applied_loads.Increment();
  Served(plan.head, began);
  return absl::OkStatus();
}

StatusOr<std::optional<TouchedKeys>> LogFollower::FindTouched(const Plan& plan) {
  const bool same_model = !plan.chain.empty() && plan.chain.back().config_xxh3() == model_hash_;
  if (content_.value() == 0 || !same_model) {
    return std::nullopt;
  }
  FRESHET_ASSIGN_OR_RETURN(const auto deltas,
                           DeltasBetween(log_, content_, VersionId(plan.chain.back().version())));
  if (!deltas || RowsOf(*deltas) > RowsOf(plan.chain) / kMostTouched) {
    return std::nullopt;
  }
  TouchedKeys touched;
  const auto touch = [&touched](const proto::Manifest&, const PartContents& part) {
    touched.Add(part, [](Key) { return true; });
    return absl::OkStatus();
  };
  FRESHET_RETURN_IF_ERROR(
      ForEachPart(files_, log_, *deltas, {.columns = PartColumns::kKeys}, touch));
  return touched;
}

StatusOr<bool> LogFollower::Patch(const Plan& plan) {
  const auto began = clock_.Monotonic();
  StatusOr<std::optional<TouchedKeys>> touched = FindTouched(plan);
  if (!touched.ok() || !*touched) {
    return false;  // what is damaged may lie on the way only: loading the version will tell
  }
  VersionPatch patch(**std::move(touched));
  FRESHET_RETURN_IF_ERROR(ForEachPartOf(
      plan, store_.current().weights(), &patch.touched(), [&patch](const PartContents& part) {
        patch.Add(part);
      }));
  const PartContents contents = std::move(patch).Take();
  store_.Apply(FactsOfPlan(plan), {&contents, 1});
  content_ = VersionId(plan.chain.back().version());
  metrics_.applied_patches.Increment();
  Served(plan.head, began);
  return true;
}

}  // namespace freshet::serving
