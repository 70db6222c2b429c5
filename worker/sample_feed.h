#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/env/clock.h"
#include "common/sample/sample_format.h"
#include "common/status.h"
#include "common/stream/stream.h"
#include "worker/metrics.h"
#include "worker/sample_block.h"

namespace freshet::worker {

// The first two stages of a worker: one thread reads records ahead of need, some at a time and from
// all partitions in turn, and `parse_threads` threads parse them. What comes out of a partition is
// in the order of its records, and a function of its bytes alone.
//
// A partition has at most kBlocksAhead blocks under way, and all together at most kBlocks, but that
// the partition somebody waits for always gets one: so memory is bounded, and nobody waits for
// good.
class SampleFeed {
 public:
  static constexpr size_t kRecordsPerBlock = 128;
  static constexpr size_t kBytesPerBlock = 256U << 10U;
  static constexpr size_t kBlocksAhead = 4;
  static constexpr size_t kBlocks = 64;

  // All borrowed things outlive the feed. Threads start with Start.
  SampleFeed(const SampleParser& parser,
             Clock& clock,
             WorkerMetrics& metrics,
             uint32_t parse_threads);
  // Joins.
  ~SampleFeed();

  void Start();

  // ---- One thread, that of the batches.

  // Takes in a partition, from where its reader stands. Returns its number.
  size_t Add(std::unique_ptr<PartitionReader> reader);

  // The partition has ended and all of it was taken: its number is free.
  void Release(size_t partition);

  // The partition's next block, parsed. Waits while there may be one; nothing if there is nothing
  // to read now, or after Stop. After a block that ends with kEnd or an error no other follows.
  std::unique_ptr<SampleBlock> Take(size_t partition);

  // Gives a block back, to be used again.
  void Return(std::unique_ptr<SampleBlock> block);

  // ---- Any thread

  // Ends all waits and, soon, all threads.
  void Stop();

 private:
  struct Entry {
    std::unique_ptr<SampleBlock> block;  // null while a parser has it
    bool parsed = false;
  };

  struct Partition {
    std::unique_ptr<PartitionReader> reader;  // none once it has ended
    std::deque<Entry> blocks;                 // not yet taken
    uint64_t first = 0;                       // number of blocks.front(), from 0
    bool caught_up = false;                   // when last asked, there was nothing to read
  };

  struct ToParse {
    size_t partition = 0;
    uint64_t number = 0;
  };

  static constexpr size_t kNobody = static_cast<size_t>(-1);

  void ReadAll();
  void ParseAll();
  size_t NextToRead(size_t after) const;
  bool MayRead(size_t partition) const;
  std::unique_ptr<SampleBlock> FreshBlock();
  void Fill(PartitionReader& reader, SampleBlock* block) const;
  void Parse(SampleBlock* block) const;
  void ShowQueues();
  bool TakeIn(size_t partition, std::unique_ptr<SampleBlock> block);

  const SampleParser& parser_;
  Clock& clock_;
  WorkerMetrics& metrics_;
  const uint32_t parse_threads_;

  std::mutex mutex_;
  std::condition_variable to_read_;  // a partition may be read that might not
  std::condition_variable to_parse_;
  std::condition_variable parsed_;
  // All below: with the mutex held; but a reader is used by the reading thread without it.
  bool stopped_ = false;
  std::deque<Partition> partitions_;  // by number; stable addresses
  std::vector<size_t> free_numbers_;
  std::deque<ToParse> unparsed_;
  std::vector<std::unique_ptr<SampleBlock>> spare_;
  size_t live_ = 0;           // partitions that have a reader
  size_t under_way_ = 0;      // blocks in partitions_
  size_t parsed_blocks_ = 0;  // of these
  size_t wanted_ = kNobody;

  std::vector<std::thread> threads_;
};

}  // namespace freshet::worker
