#pragma once
#include <google/protobuf/repeated_field.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/key.h"
#include "common/status.h"
#include "proto/model.pb.h"
#include "proto/ps.pb.h"
#include "ps/ownership.h"

namespace freshet::ps {

// Which of a run's keys one owner thread has.
struct OwnedRun {
  uint32_t variable = 0;
  uint32_t slot = 0;  // index into the model's slots
  std::span<const Key> keys = {};
  std::span<const uint32_t> positions = {};  // of the keys in the run; empty: all of it, in order
  uint64_t first_float = 0;  // where the run's rows begin among the floats of the payload
  uint64_t floats = 0;       // keys of the run * dim
  uint64_t first_key = 0;    // where the run begins among the keys, and the counts, of the payload
  uint64_t run_keys = 0;     // keys of the run
};

struct DensePart {
  uint32_t variable = 0;
  uint64_t first_float = 0;
  uint64_t floats = 0;
};

// The payload of a pull, a push, an announcement or a delete, checked and sorted out by owner
// thread. The floats lie as the payload has them: rows of all runs, then dense variables; counts,
// if there are any, behind them.
struct SplitPayload {
  uint64_t keys = 0;
  uint64_t floats = 0;
  std::vector<std::vector<OwnedRun>> by_owner;  // [owner threads]
  std::vector<DensePart> dense;                 // all with owner thread 0

  // Owner threads that have something to do.
  std::vector<uint32_t> Owners() const;

  // So many keys will be sorted; the spans must not move.
  void Reserve(uint64_t keys_to_sort);

  // Where the spans of by_owner point to, if there are several owner threads; with one they point
  // into the payload, which must outlive this.
  std::vector<Key> sorted_keys;
  std::vector<uint32_t> sorted_positions;
};

// InvalidArgument: the payload holds fewer keys than the runs say, or they are more than
// kMaxKeysPerRequest; an unknown variable or slot. Keys and floats of what has passed can be added
// up without overflow.
Status CheckRuns(const proto::ModelSpec& model,
                 const google::protobuf::RepeatedPtrField<proto::KeyRun>& runs,
                 size_t payload_bytes);

// InvalidArgument: an unknown variable, or one that comes twice: a few bytes of request must not
// have an answer without end.
Status CheckDense(const proto::ModelSpec& model,
                  const google::protobuf::RepeatedField<uint32_t>& dense);

// `payload` begins with the keys of all runs. InvalidArgument: it holds fewer keys than the runs
// say, or they are more than kMaxKeysPerRequest; an unknown variable or slot; a key or dense
// variable of another server; a dense variable that comes twice; in debug builds also a key that
// comes twice in a run.
StatusOr<SplitPayload> SplitByOwner(const proto::ModelSpec& model,
                                    const Ownership& ownership,
                                    const google::protobuf::RepeatedPtrField<proto::KeyRun>& runs,
                                    const google::protobuf::RepeatedField<uint32_t>& dense,
                                    std::span<const std::byte> payload);

// InvalidArgument: the key belongs to another server.
Status CheckOwned(const std::string& variable, const Ownership& ownership, Key key);

// The keys of one variable, to be deleted. Those of other servers are left out; one may come twice.
StatusOr<SplitPayload> SplitDelete(const proto::ModelSpec& model,
                                   const Ownership& ownership,
                                   const std::string& variable,
                                   std::span<const std::byte> payload);

}  // namespace freshet::ps
