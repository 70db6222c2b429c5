#pragma once
#include <optional>

#include "common/config/config_file.h"
#include "common/job/receive_settings.h"
#include "common/stream/stream.h"

namespace freshet {

// Reads the section `receive` of `stream`, which then is a stream of the files that are received:
// *stream is changed to be that.
std::optional<ReceiveSettings> ReadReceive(const ConfigFile& file,
                                           const ConfigSection& stream_section,
                                           FileStreamOptions* stream);

}  // namespace freshet
