#include "common/version_log/retention.h"

#include <set>

#include "common/mutant.h"

namespace freshet {
namespace {

uint64_t BytesOf(const proto::Manifest& manifest) {
  uint64_t bytes = 0;
  for (const proto::PartFile& part : manifest.parts()) {
    bytes += part.bytes();
  }
  return bytes;
}

VersionFact FactOf(const proto::Manifest& manifest) {
  VersionFact fact{
      .needs = VersionId(manifest.kind() == proto::Manifest::BASE ? 0 : manifest.parent()),
      .served = VersionId(manifest.gate().passed_version()),
      .online = VersionId(
          manifest.base_intake().catching_up() ? manifest.base_intake().online_version() : 0),
      .best = VersionId(manifest.early_stopping().best_version()),
      .created_unix_ms = manifest.created_unix_ms(),
      .bytes = BytesOf(manifest),
      .delta = manifest.kind() == proto::Manifest::DELTA,
      .readable = true};
  return fact;
}

}  // namespace

// A delta may become a base at any time.
Status LogFacts::NoteBase(VersionId version, VersionFact* fact) const {
  const StatusOr<proto::Manifest> base = log_.ReadBase(version);
  if (base.ok()) {
    fact->needs = VersionId(0);
    fact->bytes += BytesOf(*base);
    return absl::OkStatus();
  }
  const bool none = absl::IsNotFound(base.status()) || absl::IsDataLoss(base.status());
  return none ? absl::OkStatus() : base.status();
}

Status LogFacts::Refresh() {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<VersionId> versions, log_.List());
  std::map<VersionId, VersionFact> facts;
  for (const VersionId version : versions) {
    const auto known = facts_.find(version);
    if (known != facts_.end()) {
      facts.insert(*known);
      continue;
    }
    const StatusOr<proto::Manifest> manifest = log_.ReadManifest(version);
    if (!manifest.ok() && !absl::IsDataLoss(manifest.status())) {
      return manifest.status();
    }
    facts[version] = manifest.ok() ? FactOf(*manifest) : VersionFact();
  }
  for (auto& [version, fact] : facts) {
    if (fact.delta && fact.needs.value() != 0) {
      FRESHET_RETURN_IF_ERROR(NoteBase(version, &fact));
    }
  }
  facts_ = std::move(facts);
  return absl::OkStatus();
}

std::vector<VersionId> Removable(const std::map<VersionId, VersionFact>& versions,
                                 const std::map<VersionId, std::string>& pins,
                                 const Retention& retention,
                                 int64_t now_unix_ms) {
  std::set<VersionId> needed;
  VersionId all_before;  // every version before this one is needed
  std::vector<VersionId> removable;
  if (retention.keep_versions == 0) {
    return removable;
  }
  uint32_t newer = 0;
  if (!versions.empty()) {
    const VersionFact& newest = versions.rbegin()->second;
    needed.insert({newest.served, newest.online, newest.best});
  }
  // From the newest: what a version needs has a smaller number.
  for (auto it = versions.rbegin(); it != versions.rend(); ++it, ++newer) {
    const auto& [version, fact] = *it;
    const bool young = fact.readable && now_unix_ms - fact.created_unix_ms < retention.keep_for_ms;
    const bool keep = newer < retention.keep_versions || young || pins.contains(version) ||
                      needed.contains(version) || version < all_before;
    if (!keep) {
      removable.push_back(version);
      continue;
    }
    if (!fact.readable) {
      all_before = std::max(all_before, version);
    }
    if (fact.needs.value() != 0 && !Mutant("log_removes_what_is_needed")) {
      needed.insert(fact.needs);
    }
  }
  return removable;
}

}  // namespace freshet
