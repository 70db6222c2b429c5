#include "worker/assignment.h"

#include <catch2/catch.hpp>

namespace freshet::worker {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("partition p belongs to worker p modulo the number of workers", "[worker]") {
  Assignment first(0, 2);
  Assignment second(1, 2);
  CHECK(*first.Update({"a", "b", "c"}) == Names{"a", "c"});
  CHECK(*second.Update({"a", "b", "c"}) == Names{"b"});
  CHECK(*first.Update({"a", "b", "c"}) == Names{});
  CHECK(*first.Update({"a", "b", "c", "d", "e"}) == Names{"e"});
  CHECK(*second.Update({"a", "b", "c", "d", "e"}) == Names{"d"});
}

TEST_CASE("a partition whose file is gone still counts", "[worker]") {
  Assignment assignment(0, 2);
  (void)assignment.Update({"a", "b", "c"});
  CHECK(*assignment.Update({"b", "c", "d", "e"}) == Names{"e"});
}

TEST_CASE("a new partition that would shift the others is refused by name", "[worker]") {
  Assignment assignment(0, 2);
  (void)assignment.Update({"b", "d"});
  const Status status = assignment.Update({"b", "c", "d"}).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(MessageOf(status), Catch::Contains("partition c") && Catch::Contains("before d"));
}

proto::WorkerState StateOf(uint32_t worker, uint32_t next, const Names& names) {
  proto::WorkerState state;
  state.set_worker(worker);
  state.set_next_partition(next);
  for (const std::string& name : names) {
    proto::StreamPosition* position = state.add_positions();
    position->set_partition(name);
    position->set_offset(static_cast<uint64_t>(name[0]));
    position->set_samples(7);
  }
  return state;
}

TEST_CASE("a worker finds its positions in the states of all workers", "[worker]") {
  const auto restored =
      RestorePositions({"a", "c", "e"}, 0, 2, {StateOf(0, 1, {"a", "c"}), StateOf(1, 0, {"e"})});
  CHECK(*restored.names == Names{"a", "c", "e"});
  CHECK(restored.partitions[0] == PartitionState{.offset = 'a', .samples = 7});
  CHECK(restored.partitions[2] == PartitionState{.offset = 'e', .samples = 7});
  CHECK(restored.next == 1);
}

TEST_CASE("a partition that no state knows begins at its beginning", "[worker]") {
  const auto restored = RestorePositions({"a", "b"}, 0, 1, {StateOf(0, 0, {"a"})});
  CHECK(restored.partitions[1] == PartitionState{});
}

TEST_CASE("with another number of workers the turn begins anew", "[worker]") {
  const auto restored =
      RestorePositions({"a", "b", "c"}, 0, 1, {StateOf(0, 1, {"a", "c"}), StateOf(1, 0, {"b"})});
  CHECK(restored.next == 0);
  CHECK(restored.partitions[1].offset == 'b');
}

}  // namespace
}  // namespace freshet::worker
