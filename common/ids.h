#pragma once
#include <compare>
#include <cstdint>
#include <functional>

namespace freshet {

// A number that cannot be mistaken for another kind of number.
template <typename Tag, typename Rep = uint64_t>
class NamedNumber {
 public:
  constexpr NamedNumber() = default;

  constexpr explicit NamedNumber(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  constexpr NamedNumber next() const { return NamedNumber(value_ + 1); }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 reads a literal into the default.
  friend constexpr auto operator<=>(NamedNumber, NamedNumber) = default;

 private:
  Rep value_ = 0;
};

// A committed state of the model. 0: none. Grows with every commit, also with a rollback.
using VersionId = NamedNumber<struct VersionIdTag>;
// A session of the cluster: every start, rewind and rollback begins a new one.
using Epoch = NamedNumber<struct EpochTag>;
// A fixed slice of the key space.
using PartitionId = NamedNumber<struct PartitionIdTag, uint32_t>;

}  // namespace freshet

template <typename Tag, typename Rep>
struct std::hash<freshet::NamedNumber<Tag, Rep>> {
  size_t operator()(freshet::NamedNumber<Tag, Rep> number) const {
    return std::hash<Rep>()(number.value());
  }
};
