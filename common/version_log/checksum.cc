#include "common/version_log/checksum.h"

#include <fmt/core.h>
#include <xxhash.h>

#include "common/check.h"

namespace freshet {

std::string Xxh3Hex(std::span<const std::byte> bytes) {
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

std::string Xxh3Hex(std::string_view text) {
  return Xxh3Hex(std::as_bytes(std::span(text)));
}

Xxh3Sum::Xxh3Sum() : state_(XXH3_createState()) {
  FRESHET_CHECK(state_ != nullptr);
  XXH3_64bits_reset(state_.get());
}

void Xxh3Sum::Add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

std::string Xxh3Sum::Hex() const {
  return fmt::format("{:016x}", XXH3_64bits_digest(state_.get()));
}

void Xxh3Sum::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

}  // namespace freshet
