#include "perf/table/contestant.h"

#include <algorithm>
#include <array>

namespace freshet::perf {
namespace {

constexpr std::array kKinds = {
    ContestantKind{.name = "flat", .make = MakeFlat},
    ContestantKind{.name = "freshet", .make = MakeFreshet},
    ContestantKind{.name = "absl", .make = MakeAbsl},
    ContestantKind{.name = "absl_prefetch", .make = MakeAbslPrefetch},
    ContestantKind{.name = "lp", .make = MakeLp},
    ContestantKind{.name = "libcuckoo", .shared = true, .make = MakeLibcuckoo},
    ContestantKind{.name = "tbb", .shared = true, .make = MakeTbb},
    ContestantKind{.name = "unordered_map", .shared = true, .make = MakeUnorderedMap},
};

}  // namespace

const ContestantKind* FindKind(std::string_view name) {
  const auto* const found = std::ranges::find(kKinds, name, &ContestantKind::name);
  return found == kKinds.end() ? nullptr : &*found;
}

}  // namespace freshet::perf
