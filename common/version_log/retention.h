#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "common/ids.h"
#include "common/status.h"
#include "common/version_log/version_log.h"

// Which versions of a log have to stay.
namespace freshet {

// A version is kept if it is one of the newest, or young, or pinned, or needed to load one of
// these. The newest version is always kept.
struct Retention {
  uint32_t keep_versions = 100;         // so many of the newest; 0: all
  int64_t keep_for_ms = 3600LL * 1000;  // and all that were made in so long a time
};

// What the rules ask about a version.
struct VersionFact {
  VersionId needs = {};   // the version that it adds to, or equals; 0: none
  VersionId served = {};  // what serving is kept at by the gate; 0: nothing
  VersionId online = {};  // what serving is kept at while a base is taken in; 0: nothing
  VersionId best = {};    // what early stopping may go back to; 0: nothing
  int64_t created_unix_ms = 0;
  uint64_t bytes = 0;  // of its parts
  bool delta = false;
  bool readable = false;  // false: its manifest is damaged, so nobody can tell what it needs
};

// The facts of a log's versions. Reads each manifest once. One thread.
class LogFacts {
 public:
  // `log` outlives this.
  explicit LogFacts(const VersionLog& log) : log_(log) {}

  Status Refresh();

  const std::map<VersionId, VersionFact>& all() const { return facts_; }

 private:
  Status NoteBase(VersionId version, VersionFact* fact) const;

  const VersionLog& log_;
  std::map<VersionId, VersionFact> facts_;
};

// The versions that may go, newest first: removed in this order, every version that is still there
// can be loaded at any time. What a damaged manifest may have needed stays.
std::vector<VersionId> Removable(const std::map<VersionId, VersionFact>& versions,
                                 const std::map<VersionId, std::string>& pins,
                                 const Retention& retention,
                                 int64_t now_unix_ms);

}  // namespace freshet
