#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "common/model/kind.h"
#include "common/model/model.h"

// A model for tests that learns nothing and counts everything: the row of a key tells how often the
// key occurred, and the sum of the ids of the samples it occurred in, modulo 2^64. One lost or
// doubled push shows at its key.
namespace freshet {

inline constexpr uint32_t kLedgerDim = 4;

// What a row of floats, bit for bit, stands for.
struct LedgerEntry {
  uint64_t count = 0;
  uint64_t id_sum = 0;

  friend bool operator==(const LedgerEntry&, const LedgerEntry&) = default;
};

static_assert(sizeof(LedgerEntry) == kLedgerDim * sizeof(float));

// `row` [kLedgerDim].
inline LedgerEntry ReadLedger(std::span<const float> row) {
  LedgerEntry entry;
  std::memcpy(static_cast<void*>(&entry), row.data(), sizeof(entry));
  return entry;
}

inline void WriteLedger(const LedgerEntry& entry, std::span<float> row) {
  std::memcpy(row.data(), &entry, sizeof(entry));
}

// Every logit is 0; the gradient of a key is the entry of its occurrences in the batch.
std::unique_ptr<Model> MakeLedgerModel();

extern const ModelKind kLedgerKind;

}  // namespace freshet
