#include "common/job/receive_config.h"

namespace freshet {
namespace {

constexpr uint64_t kLeastSegmentBytes = 1U << 10U;
constexpr uint64_t kMostSegmentBytes = 1ULL << 40U;

// The settings that one kind has and the others do not.
void ReadKind(const ConfigFile& file, const ConfigSection& section, ReceiveSettings* receive) {
  const auto only_of = [&](const char* key, const char* kind) {
    if (section.Has(key)) {
      section.Fail(key, fmt::format("is of 'from: {}'", kind));
    }
  };
  if (receive->from == ReceiveSettings::From::kZmq) {
    section.Required("address", &receive->address);
    section.Optional("connect", &receive->connect);
    section.InRange<uint32_t>(
        "partitions", 1, ReceiveSettings::kMostPartitions, &receive->partitions);
  } else {
    only_of("address", "zmq");
    only_of("connect", "zmq");
    only_of("partitions", "zmq");
  }
  if (receive->from == ReceiveSettings::From::kLog) {
    section.Required("log", &receive->log);
    receive->log = file.Resolve(receive->log);
  } else {
    only_of("log", "log");
  }
}

}  // namespace

std::optional<ReceiveSettings> ReadReceive(const ConfigFile& file,
                                           const ConfigSection& stream_section,
                                           FileStreamOptions* stream) {
  const ConfigSection section = stream_section.Section("receive");
  ReceiveSettings receive;
  size_t from = 0;
  section.Choice("from", {"stdin", "zmq", "log"}, &from);
  receive.from = static_cast<ReceiveSettings::From>(from);
  ReadKind(file, section, &receive);
  section.Bytes("segment_bytes", &receive.segment_bytes);
  if (receive.segment_bytes < kLeastSegmentBytes || receive.segment_bytes > kMostSegmentBytes) {
    section.Fail("segment_bytes", "must be from 1KiB to 1TiB");
  }
  double keep_hours = 0;
  section.InRange("keep_hours", 0.0, 1e6, &keep_hours);
  receive.keep_ms = static_cast<int64_t>(keep_hours * 3'600'000);
  if (!stream_section.HasMap("receive")) {
    return std::nullopt;
  }
  if (!section.Has("from")) {
    section.Fail("from", "is required: stdin, zmq or log");
  }
  for (const char* key : {"follow", "suffix", "open_files"}) {
    if (stream_section.Has(key)) {
      stream_section.Fail(key, "goes without saying, or makes no sense, with 'receive'");
    }
  }
  if (stream->header && receive.from != ReceiveSettings::From::kStdin) {
    stream_section.Fail("header", "with 'receive' is of 'from: stdin' only");
  }
  receive.drop_header = stream->header;
  stream->header = false;
  stream->follow = true;
  stream->open_files = receive.partitions;
  stream->block_sums = true;
  return receive;
}

}  // namespace freshet
