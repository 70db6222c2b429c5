#pragma once
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ps/tier/cold_store.h"
#include "ps/tier/cold_table.h"

// What the tests of the cold tier share.
namespace freshet::ps::test {

// A new directory, which goes with this object.
class Scratch {
 public:
  Scratch() : path_((std::filesystem::temp_directory_path() / "freshet-tier-XXXXXX").string()) {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }

  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// So small that a test writes files and merges them.
inline ColdStoreOptions SmallOptions(const std::string& directory) {
  ColdStoreOptions options;
  options.directory = directory;
  options.block_cache_bytes = 1U << 20U;
  options.write_buffer_bytes = 1U << 20U;
  return options;
}

inline std::unique_ptr<ColdStore> OpenStore(const ColdStoreOptions& options) {
  auto store = ColdStore::Open(options);
  INFO(store.status().ToString());
  REQUIRE(store.ok());
  return *std::move(store);
}

// A record of a row: its key and a number, again and again.
inline std::vector<std::byte> RecordOf(Key key, uint64_t number, size_t bytes) {
  std::vector<std::byte> record(bytes);
  const uint64_t words[] = {key, number};
  for (size_t at = 0; at < bytes; ++at) {
    record[at] = reinterpret_cast<const std::byte*>(words)[at % sizeof(words)];
  }
  return record;
}

inline void Append(std::vector<std::byte>& records, const std::vector<std::byte>& record) {
  records.insert(records.end(), record.begin(), record.end());
}

// The i-th record of several.
inline std::vector<std::byte> At(std::span<const std::byte> records, size_t i, size_t bytes) {
  const auto record = records.subspan(i * bytes, bytes);
  return {record.begin(), record.end()};
}

}  // namespace freshet::ps::test
