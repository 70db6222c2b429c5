#pragma once
#include <cstdint>
#include <span>

#include "common/buffer.h"
#include "common/status.h"
#include "proto/ps.pb.h"

// Compressed payloads of pushes and of answers to pulls (training.message_compress). The format is
// in docs/formats/rpc.md. Thread-safety: any thread.
namespace freshet {

// No payload is larger when it is unpacked, as no plain one is (rpc::TcpOptions).
inline constexpr uint64_t kMostUnpackedBytes = 256ULL << 20U;
// Nor is it so many times as large as it was packed: memory taken stays in proportion to what came.
inline constexpr uint64_t kMostUnpackedTimes = 256;

// Compresses `payload` with `codec` and says so in *packed. A payload that would not become
// smaller, or could not be unpacked by these limits, stays as it is, and *packed as it was.
Buffer PackPayload(proto::Compression codec, Buffer payload, proto::Packed* packed);

// Undoes PackPayload. InvalidArgument: what is packed is not what `packed` says, in whatever way.
StatusOr<Buffer> UnpackPayload(const proto::Packed& packed, Buffer payload);

}  // namespace freshet
