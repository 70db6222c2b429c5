#pragma once
#include <rocksdb/env.h>

#include <memory>

namespace freshet::ps {

// The machine's files, but that nothing is ever synced: for data that no restart needs. The kernel
// writes it when it likes, and never if it was deleted before.
std::unique_ptr<rocksdb::Env> MakeUnsyncedEnv();

}  // namespace freshet::ps
