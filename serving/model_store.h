#pragma once
#include <functional>
#include <memory>
#include <span>

#include "common/status.h"
#include "common/version_log/part_file.h"
#include "serving/left_right.h"
#include "serving/snapshot.h"

namespace freshet::serving {

// The served version. Readers get a whole one and never wait; one writer brings in the next.
class ModelStore {
 public:
  using ReadGuard = LeftRight<Snapshot>::ReadGuard;

  // Any thread. What it shows stays as it is until the guard goes; hold it for one answer.
  ReadGuard Acquire() const { return sides_.Acquire(); }

  // ---- the writer: one thread at a time

  const Snapshot& current() const { return sides_.active(); }

  // The next version: what is served now, and these parts. They fit the model (Weights::Check).
  void Apply(const VersionFacts& facts, std::span<const PartContents> parts);

  // Another version: `fill` hands over all of its parts, checked. If it fails, what is served
  // stays.
  using AddPart = std::function<void(const PartContents&)>;
  Status Load(const VersionFacts& facts,
              std::shared_ptr<const Schema> schema,
              const std::function<Status(const Weights&, const AddPart&)>& fill);

  // Other items, at the version that is served. The catalogue is not null.
  void SetCatalogue(std::shared_ptr<const Catalogue> catalogue);

 private:
  struct Items {
    std::shared_ptr<const Catalogue> catalogue;
    std::shared_ptr<const ItemFeatures> features;
    std::string problem;
  };

  static Items MakeItems(std::shared_ptr<const Catalogue> catalogue, const Schema* schema);

  LeftRight<Snapshot> sides_;
};

}  // namespace freshet::serving
