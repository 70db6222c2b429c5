#include "common/version_log/compaction.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/crash_point.h"
#include "common/version_log/checksum.h"
#include "common/version_log/newest_rows.h"
#include "common/version_log/part_file.h"
#include "common/version_log/sort_columns.h"
#include "common/version_log/zstd_part.h"

namespace freshet {
namespace {

constexpr char kProgressName[] = "base.progress";
constexpr size_t kChecksumDigits = 16;
constexpr uint64_t kMaxProgressBytes = 64U << 20U;
// Of the parts that become one.
constexpr uint64_t kGroupBytes = 32U << 20U;

// Partitions [first, end) that the keys of a part are in.
struct Range {
  uint32_t first = 0;
  uint32_t end = std::numeric_limits<uint32_t>::max();
};

struct Source {
  const proto::Manifest* manifest = nullptr;
  const proto::PartFile* part = nullptr;
  size_t age = 0;  // versions of the chain before this one; 0: the oldest

  Range range() const {
    return part->end_partition() == 0
               ? Range()
               : Range{.first = part->first_partition(), .end = part->end_partition()};
  }
};

// Parts that become one, from the newest.
struct Group {
  std::vector<Source> sources;
  bool begins_range = false;  // its keys are in no group before
};

// Merges ranges that overlap: keys of one are in none of the others.
std::vector<Range> Apart(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::pair(a.first, a.end) < std::pair(b.first, b.end);
  });
  std::vector<Range> apart;
  for (const Range& range : ranges) {
    if (!apart.empty() && range.first < apart.back().end) {
      apart.back().end = std::max(apart.back().end, range.end);
    } else {
      apart.push_back(range);
    }
  }
  return apart;
}

std::vector<Source> SourcesOf(const std::vector<proto::Manifest>& chain) {
  std::vector<Source> sources;
  for (size_t age = chain.size(); age-- > 0;) {
    for (int i = chain[age].parts_size(); i-- > 0;) {
      sources.push_back({.manifest = &chain[age], .part = &chain[age].parts(i), .age = age});
    }
  }
  return sources;
}

std::vector<Group> PlanOf(const std::vector<proto::Manifest>& chain) {
  const std::vector<Source> sources = SourcesOf(chain);
  std::vector<Range> ranges;
  const bool one_map =
      std::all_of(chain.begin(), chain.end(), [&chain](const proto::Manifest& manifest) {
        return manifest.partition_count() == chain.front().partition_count();
      });
  for (const Source& source : sources) {
    ranges.push_back(one_map ? source.range() : Range());
  }
  std::vector<Group> plan;
  for (const Range& range : Apart(std::move(ranges))) {
    uint64_t bytes = 0;
    bool begins = true;
    for (const Source& source : sources) {
      const Range of_source = one_map ? source.range() : Range();
      if (of_source.first < range.first || of_source.end > range.end) {
        continue;
      }
      if (begins || bytes + source.part->bytes() > kGroupBytes) {
        plan.push_back({.sources = {}, .begins_range = begins});
        bytes = 0;
        begins = false;
      }
      plan.back().sources.push_back(source);
      bytes += source.part->bytes();
    }
  }
  return plan;
}

std::string HashOf(const std::vector<Group>& plan) {
  std::string text;
  for (const Group& group : plan) {
    for (const Source& source : group.sources) {
      text += fmt::format(
          "{}/{}/{} ", source.manifest->version(), source.part->name(), source.part->header_xxh3());
    }
    text += '\n';
  }
  return Xxh3Hex(text);
}

class Compaction {
 public:
  Compaction(FileSystem& files,
             VersionLog& log,
             VersionId version,
             const std::function<Status()>& go_on)
      : files_(files),
        log_(log),
        version_(version),
        folder_(log.VersionDirectory(version)),
        go_on_(go_on) {}

  StatusOr<Compacted> Run();

 private:
  StatusOr<PartContents> Read(const Source& source);
  Status PassGroup(const Group& group);
  Status WriteGroup(const Group& group);
  void KeepDense(const Source& source, PartContents& contents);
  Status WriteRows(const Group& group, PartContents contents);
  Status WriteDense();
  proto::CompactionProgress ReadProgress() const;
  Status WriteProgress();
  Status Commit(const proto::Manifest& newest);

  FileSystem& files_;
  VersionLog& log_;
  const VersionId version_;
  const std::string folder_;
  const std::function<Status()>& go_on_;

  std::string name_end_;  // as the parts of the newest version
  proto::CompactionProgress progress_;
  NewestRows newest_;
  // By variable; of the newest version that has it.
  std::map<std::string, std::pair<size_t, DenseTensor>> dense_;
  Compacted result_;
};

StatusOr<Compacted> Compaction::Run() {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<proto::Manifest> chain, log_.Chain(version_));
  if (chain.size() < 2 || chain.back().version() != version_.value()) {
    return FailedPrecondition("version {} has no deltas to roll up", version_.value());
  }
  const bool zstd = std::any_of(chain.back().parts().begin(),
                                chain.back().parts().end(),
                                [](const auto& part) { return IsZstdName(part.name()); });
  name_end_ = zstd ? ".safetensors.zst" : ".safetensors";
  const std::vector<Group> plan = PlanOf(chain);
  progress_ = ReadProgress();
  if (progress_.plan_xxh3() != HashOf(plan)) {
    progress_.Clear();
    progress_.set_plan_xxh3(HashOf(plan));
    FRESHET_RETURN_IF_ERROR(WriteProgress());
  }
  const auto done = std::min(static_cast<size_t>(progress_.parts_size()), plan.size());
  result_.parts_from_before = done;
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].begins_range) {
      newest_ = {};
    }
    FRESHET_RETURN_IF_ERROR(i < done ? PassGroup(plan[i]) : WriteGroup(plan[i]));
  }
  FRESHET_RETURN_IF_ERROR(WriteDense());
  FRESHET_RETURN_IF_ERROR(Commit(chain.back()));
  return result_;
}

StatusOr<PartContents> Compaction::Read(const Source& source) {
  FRESHET_RETURN_IF_ERROR(go_on_());
  return ReadPart(files_,
                  log_.VersionDirectory(VersionId(source.manifest->version())),
                  *source.part,
                  PartColumns::kAll);
}

Status Compaction::PassGroup(const Group& group) {
  for (const Source& source : group.sources) {
    // Of the oldest nothing has to be remembered. What a version of before dense_variables was
    // written says nothing of them.
    const bool dense = source.part->dense_variables() > 0 || source.part->end_partition() == 0;
    if (source.age == 0 && !dense) {
      continue;
    }
    FRESHET_ASSIGN_OR_RETURN(PartContents contents, Read(source));
    KeepDense(source, contents);
    if (source.age > 0) {
      newest_.Pass(contents);
    }
  }
  return absl::OkStatus();
}

Status Compaction::WriteGroup(const Group& group) {
  PartContents merged;
  for (const Source& source : group.sources) {
    FRESHET_ASSIGN_OR_RETURN(PartContents contents, Read(source));
    KeepDense(source, contents);
    FRESHET_RETURN_IF_ERROR(Annotate(
        source.age > 0 ? newest_.Take(contents, &merged) : newest_.TakeOldest(contents, &merged),
        fmt::format("part {} of version {}", source.part->name(), source.manifest->version())));
  }
  for (EmbeddingRows& rows : merged.embeddings) {
    SortByKey(rows);
  }
  return WriteRows(group, std::move(merged));
}

// A version is newer by its age; within a version nobody has a variable twice.
void Compaction::KeepDense(const Source& source, PartContents& contents) {
  for (DenseTensor& tensor : contents.dense) {
    const auto [kept, is_new] = dense_.try_emplace(tensor.variable, source.age, tensor);
    if (!is_new && kept->second.first < source.age) {
      kept->second = {source.age, std::move(tensor)};
    }
  }
}

Status Compaction::WriteRows(const Group& group, PartContents contents) {
  const std::string name = fmt::format("base-{}{}", progress_.parts_size(), name_end_);
  FRESHET_ASSIGN_OR_RETURN(proto::PartFile part, WritePart(files_, folder_, name, contents));
  const auto known = [](const Source& source) { return source.part->end_partition() > 0; };
  if (std::all_of(group.sources.begin(), group.sources.end(), known)) {
    Range range{.first = std::numeric_limits<uint32_t>::max(), .end = 0};
    for (const Source& source : group.sources) {
      range.first = std::min(range.first, source.range().first);
      range.end = std::max(range.end, source.range().end);
    }
    part.set_first_partition(range.first);
    part.set_end_partition(range.end);
  }
  *progress_.add_parts() = std::move(part);
  CrashPoint("compaction_part");
  // Its name is on disk before anybody says that it is there.
  FRESHET_RETURN_IF_ERROR(files_.SyncDirectory(folder_));
  return WriteProgress();
}

Status Compaction::WriteDense() {
  PartContents contents;
  for (auto& [variable, tensor] : dense_) {
    contents.dense.push_back(std::move(tensor.second));
  }
  if (contents.dense.empty()) {
    return absl::OkStatus();
  }
  FRESHET_ASSIGN_OR_RETURN(*progress_.add_parts(),
                           WritePart(files_, folder_, "base-dense" + name_end_, contents));
  return absl::OkStatus();
}

Status Compaction::Commit(const proto::Manifest& newest) {
  proto::Manifest base = newest;
  base.set_kind(proto::Manifest::BASE);
  *base.mutable_parts() = progress_.parts();
  for (const proto::PartFile& part : base.parts()) {
    ++result_.parts;
    result_.rows += part.rows();
    result_.bytes += part.bytes();
  }
  CrashPoint("before_base_manifest");
  FRESHET_RETURN_IF_ERROR(log_.CommitBase(base));
  CrashPoint("after_base_manifest");
  return files_.RemoveAll(folder_ + "/" + kProgressName);
}

// What cannot be read says that nothing is done yet.
proto::CompactionProgress Compaction::ReadProgress() const {
  const StatusOr<std::string> content =
      ReadFile(files_, folder_ + "/" + kProgressName, kMaxProgressBytes);
  proto::CompactionProgress progress;
  if (!content.ok() || content->size() < kChecksumDigits ||
      Xxh3Hex(std::string_view(*content).substr(kChecksumDigits)) !=
          std::string_view(*content).substr(0, kChecksumDigits) ||
      !progress.ParseFromString(content->substr(kChecksumDigits))) {
    progress.Clear();
  }
  return progress;
}

Status Compaction::WriteProgress() {
  const std::string bytes = progress_.SerializeAsString();
  return WriteFileAtomically(files_, folder_ + "/" + kProgressName, Xxh3Hex(bytes) + bytes);
}

}  // namespace

StatusOr<Compacted> Compact(FileSystem& files,
                            VersionLog& log,
                            VersionId version,
                            const std::function<Status()>& go_on) {
  return Compaction(files, log, version, go_on).Run();
}

StatusOr<VersionId> UnfinishedCompaction(FileSystem& files,
                                         const VersionLog& log,
                                         VersionId version) {
  FRESHET_ASSIGN_OR_RETURN(const std::vector<proto::Manifest> chain, log.Chain(version));
  for (auto manifest = chain.rbegin(); manifest != chain.rend(); ++manifest) {
    const VersionId of_chain(manifest->version());
    const auto found = files.Stat(log.VersionDirectory(of_chain) + "/" + kProgressName);
    if (found.ok() && manifest->kind() == proto::Manifest::DELTA) {
      return of_chain;
    }
    if (!found.ok() && !absl::IsNotFound(found.status())) {
      return found.status();
    }
  }
  return VersionId(0);
}

}  // namespace freshet
