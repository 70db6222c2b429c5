#pragma once
#include <cstdint>

#include "common/buffer.h"
#include "common/status.h"
#include "proto/model.pb.h"
#include "proto/ps.pb.h"

namespace freshet::ps {

// The payload of a push whose gradients have 16 bits, with float32 in their place.
// InvalidArgument: runs or dense variables that the model does not have, or a payload that is not
// as long as they say.
StatusOr<Buffer> DecodePush(const proto::ModelSpec& model,
                            const proto::PushRequest& request,
                            const Buffer& payload);

// InvalidArgument: the payload of `what`, a pull or a push, has not as many bytes as expected.
Status CheckPayloadSize(const char* what, uint64_t got, uint64_t expected);

}  // namespace freshet::ps
