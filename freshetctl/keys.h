#pragma once
#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "common/env/file_system.h"
#include "common/key.h"
#include "common/status.h"
#include "freshetctl/coordinator_client.h"

namespace freshet::freshetctl {

// A key as people write it: 17, 0x11, or slot=value as a sample has it.
struct KeyText {
  std::string text;
  Key key = 0;
  std::string slot;                  // empty: not said
  std::optional<std::string> value;  // none: `key` says it
};

struct SlotKey {
  Key key = 0;
  uint32_t slot = 0;  // index into the model's slots; 0 if none was said
};

// InvalidArgument: it is none.
StatusOr<KeyText> ParseKey(const std::string& text);

// A key a line, blank lines left out. `path` "-": from `in`. InvalidArgument names the line.
StatusOr<std::vector<KeyText>> ReadKeys(FileSystem& files,
                                        const std::string& path,
                                        std::istream& in);

// Values become keys just as they do in training; one that a slot's separator cuts makes several.
// Asks the coordinator for the model if a slot is named.
StatusOr<std::vector<SlotKey>> ResolveKeys(CoordinatorClient& coordinator,
                                           const std::vector<KeyText>& keys);

}  // namespace freshet::freshetctl
