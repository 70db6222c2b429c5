#include "coordinator/manifest_builder.h"

#include <catch2/catch.hpp>

namespace freshet::coordinator {
namespace {

proto::WorkerState StateOf(uint32_t worker, const std::string& partition, uint64_t offset) {
  proto::WorkerState state;
  state.set_worker(worker);
  proto::StreamPosition* position = state.add_positions();
  position->set_partition(partition);
  position->set_offset(offset);
  return state;
}

}  // namespace

TEST_CASE("a version keeps the position of a partition that no worker lists", "[coordinator]") {
  proto::Manifest head;
  *head.add_workers() = StateOf(0, "a.csv", 10);
  *head.add_workers() = StateOf(1, "gone.csv", 20);
  std::vector<proto::WorkerState> states = {StateOf(0, "a.csv", 15)};
  REQUIRE(CompletePositions(head, &states).ok());
  REQUIRE(states[0].positions_size() == 2);
  CHECK(states[0].positions(0).offset() == 15);
  CHECK(states[0].positions(1).partition() == "gone.csv");
  CHECK(states[0].positions(1).offset() == 20);
  CHECK_FALSE(SameProgress(head, states));
}

TEST_CASE("a partition that two workers have read makes no version", "[coordinator]") {
  std::vector<proto::WorkerState> states = {StateOf(0, "p5", 10), StateOf(1, "p5", 12)};
  const Status status = CompletePositions(proto::Manifest(), &states);
  CHECK(absl::IsAborted(status));
  CHECK_THAT(MessageOf(status), Catch::Contains("p5"));
}

}  // namespace freshet::coordinator
