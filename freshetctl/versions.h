#pragma once
#include <cstdint>
#include <optional>

#include "freshetctl/context.h"
#include "freshetctl/outcome.h"

// Commands on the log directory itself: no cluster needs to run.
namespace freshet::freshetctl {

struct ListOptions {
  uint64_t last = 0;  // only so many of the newest; 0: all
  bool json = false;
};

// A row for each version, oldest first, the newest marked. A damaged manifest is shown as such, and
// makes the command fail at the end.
Outcome ListVersions(const Context& context,
                     const std::string& log_directory,
                     const ListOptions& options);

// Everything about a version; without one, the newest.
Outcome ShowVersion(const Context& context,
                    const std::string& log_directory,
                    std::optional<uint64_t> version,
                    bool json);

// Reads all that is needed to restore the version, and checks each checksum.
Outcome VerifyVersion(const Context& context,
                      const std::string& log_directory,
                      std::optional<uint64_t> version);

// The same for each version of the log, a line each; parts that several need are read once.
Outcome VerifyAllVersions(const Context& context, const std::string& log_directory);

// A pinned version is kept whatever the rules of retention say.
Outcome PinVersion(const Context& context,
                   const std::string& log_directory,
                   uint64_t version,
                   const std::string& note);
Outcome UnpinVersion(const Context& context, const std::string& log_directory, uint64_t version);

}  // namespace freshet::freshetctl
