#include "worker/sample_feed.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "common/key.h"
#include "tests/worker/fixture.h"

namespace freshet::worker {
namespace {

// A line is a number; what is none is a bad one.
class NumberParser final : public SampleParser {
 public:
  Status Parse(std::string_view line, Sample* sample) const override {
    if (line.empty() || line[0] == '#') {
      return InvalidArgument("'{}' is no number", line);
    }
    sample->features.assign(1, Feature{.key = std::stoull(std::string(line))});
    return absl::OkStatus();
  }
};

// Gives out what it was told to, one answer to each question.
class ScriptedReader final : public PartitionReader {
 public:
  explicit ScriptedReader(std::deque<std::string> script) : script_(std::move(script)) {}

  StatusOr<ReadResult> Next(Record* record) override {
    if (script_.empty()) {
      return ReadResult::kEnd;
    }
    line_ = std::move(script_.front());
    script_.pop_front();
    if (line_ == "later") {
      return ReadResult::kNothingYet;
    }
    if (line_ == "error") {
      return Internal("the disk is gone");
    }
    offset_ += line_.size() + 1;
    *record = {.bytes = line_, .end_offset = offset_, .arrival_ms = 7};
    if (line_ == "damaged") {
      *record = {.bytes = {}, .end_offset = offset_, .arrival_ms = 7, .damaged = true};
    }
    return ReadResult::kRecord;
  }

 private:
  std::deque<std::string> script_;
  std::string line_;
  uint64_t offset_ = 0;
};

struct Feeding {
  explicit Feeding(uint32_t parse_threads)
      : worker_metrics(metrics), feed(parser, SystemClock(), worker_metrics, parse_threads) {}

  Metrics metrics;
  WorkerMetrics worker_metrics;
  NumberParser parser;
  SampleFeed feed;
};

// What a partition gave out so far: "#..." for a bad record.
struct Collected {
  std::vector<std::string> lines;
  uint64_t offset = 0;
  bool ended = false;
  Status error;
};

void TakeOne(SampleFeed* feed, size_t partition, Collected* to) {
  std::unique_ptr<SampleBlock> block = feed->Take(partition);
  if (block == nullptr) {
    return;
  }
  REQUIRE(block->problems.size() == block->records.size());
  for (size_t i = 0; i < block->records.size(); ++i) {
    const std::string bytes(block->BytesOf(block->records[i]));
    REQUIRE(block->problems[i].ok() == (bytes[0] != '#'));
    if (block->problems[i].ok()) {
      REQUIRE(std::to_string(block->samples[i].features.at(0).key) == bytes);
    }
    REQUIRE(block->records[i].end_offset == to->offset + bytes.size() + 1);
    to->offset = block->records[i].end_offset;
    to->lines.push_back(bytes);
  }
  to->error = block->error;
  to->ended = block->then == ReadResult::kEnd || !block->error.ok();
  feed->Return(std::move(block));
}

std::deque<std::string> RandomScript(uint64_t seed, std::vector<std::string>* records) {
  std::deque<std::string> script;
  const uint64_t length = SplitMix64(seed) % 2000;
  for (uint64_t i = 0; i < length; ++i) {
    const uint64_t draw = SplitMix64(seed * 1000003 + i);
    if (draw % 97 == 0) {
      script.emplace_back("later");
      continue;
    }
    script.push_back((draw % 31 == 0 ? "#" : "") + std::to_string(draw >> 20U));
    records->push_back(script.back());
  }
  return script;
}

TEST_CASE("each partition gives out its records, in order, whoever parses them", "[worker]") {
  const uint64_t seed = GENERATE(range(1, 9));
  CAPTURE(seed);
  const auto parse_threads = static_cast<uint32_t>(1 + seed % 4);
  const size_t partitions = 1 + SplitMix64(seed) % 100;  // more than may read ahead together
  Feeding feeding(parse_threads);
  std::vector<std::vector<std::string>> expected(partitions);
  for (size_t p = 0; p < partitions; ++p) {
    REQUIRE(feeding.feed.Add(std::make_unique<ScriptedReader>(
                RandomScript(seed * 1000 + p, &expected[p]))) == p);
  }
  feeding.feed.Start();
  std::vector<Collected> got(partitions);
  // In turns, or one partition at a time from the last: nobody waits for what others hold.
  const bool in_turns = seed % 2 == 0;
  for (size_t left = partitions; left > 0;) {
    for (size_t p = partitions; p-- > 0;) {
      while (!got[p].ended) {
        TakeOne(&feeding.feed, p, &got[p]);
        left -= got[p].ended ? 1 : 0;
        if (in_turns) {
          break;
        }
      }
    }
  }
  for (size_t p = 0; p < partitions; ++p) {
    CAPTURE(p);
    CHECK(got[p].lines == expected[p]);
    CHECK(got[p].error.ok());
  }
}

TEST_CASE("records before an error come out, and then the error", "[worker]") {
  Feeding feeding(2);
  feeding.feed.Add(std::make_unique<ScriptedReader>(std::deque<std::string>{"1", "#2", "error"}));
  feeding.feed.Start();
  Collected got;
  while (!got.ended) {
    TakeOne(&feeding.feed, 0, &got);
  }
  CHECK(got.lines == std::vector<std::string>{"1", "#2"});
  CHECK(MessageOf(got.error) == "the disk is gone");
}

TEST_CASE("a record that is damaged is no sample", "[worker]") {
  Feeding feeding(1);
  feeding.feed.Add(std::make_unique<ScriptedReader>(std::deque<std::string>{"1", "damaged", "2"}));
  feeding.feed.Start();
  const std::unique_ptr<SampleBlock> block = feeding.feed.Take(0);
  REQUIRE(block != nullptr);
  REQUIRE(block->problems.size() == 3);
  CHECK(block->problems[0].ok());
  CHECK(absl::IsDataLoss(block->problems[1]));
  CHECK(block->problems[2].ok());
}

TEST_CASE("a partition that has nothing yet says so, and goes on when it has", "[worker]") {
  Feeding feeding(1);
  feeding.feed.Add(
      std::make_unique<ScriptedReader>(std::deque<std::string>{"later", "later", "5", "later"}));
  feeding.feed.Start();
  Collected got;
  while (!got.ended) {
    TakeOne(&feeding.feed, 0, &got);
  }
  CHECK(got.lines == std::vector<std::string>{"5"});
}

TEST_CASE("a stop ends a wait", "[worker]") {
  // Its threads do not run, so that nothing comes.
  Feeding feeding(1);
  feeding.feed.Add(std::make_unique<ScriptedReader>(std::deque<std::string>{}));
  std::thread stopper([&feeding] { feeding.feed.Stop(); });
  CHECK(feeding.feed.Take(0) == nullptr);
  stopper.join();
}

}  // namespace
}  // namespace freshet::worker
