#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace freshet {

// XXH3_64bits as 16 lower-case hex digits: how the version log writes every checksum.
std::string Xxh3Hex(std::span<const std::byte> bytes);
std::string Xxh3Hex(std::string_view text);

// The same of bytes that come in pieces.
// Thread-safety: one thread.
class Xxh3Sum {
 public:
  Xxh3Sum();

  void Add(std::span<const std::byte> bytes);

  std::string Hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };

  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace freshet
