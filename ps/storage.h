#pragma once
#include <cstdint>
#include <memory>

#include "common/status.h"
#include "ps/options.h"
#include "ps/shard.h"
#include "ps/tier/cold_store.h"

// How the memory of a server whose rows lie on disk too is shared out.
namespace freshet::ps {

// Null if all rows are in memory. InvalidArgument: too little memory. Otherwise as ColdStore::Open.
StatusOr<std::unique_ptr<ColdStore>> OpenStore(const StorageOptions& options);

// What each of so many owner threads may use; its `store` is still to be set. What the process
// holds already is left out, so ask before there are rows.
ShardStorage ShareOf(const StorageOptions& options, uint32_t owner_threads);

}  // namespace freshet::ps
