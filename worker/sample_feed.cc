#include "worker/sample_feed.h"

#include <chrono>
#include <utility>

#include "common/check.h"

namespace freshet::worker {
namespace {

// How long to rest when no partition has anything to read.
constexpr std::chrono::milliseconds kRest{2};

}  // namespace

SampleFeed::SampleFeed(const SampleParser& parser,
                       Clock& clock,
                       WorkerMetrics& metrics,
                       uint32_t parse_threads)
    : parser_(parser), clock_(clock), metrics_(metrics), parse_threads_(parse_threads) {
  FRESHET_CHECK(parse_threads > 0);
}

SampleFeed::~SampleFeed() {
  Stop();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  metrics_.raw_blocks.Set(0);
  metrics_.parsed_blocks.Set(0);
}

void SampleFeed::Start() {
  threads_.emplace_back([this] { ReadAll(); });
  for (uint32_t i = 0; i < parse_threads_; ++i) {
    threads_.emplace_back([this] { ParseAll(); });
  }
}

size_t SampleFeed::Add(std::unique_ptr<PartitionReader> reader) {
  const std::lock_guard lock(mutex_);
  size_t number = partitions_.size();
  if (free_numbers_.empty()) {
    partitions_.emplace_back();
  } else {
    number = free_numbers_.back();
    free_numbers_.pop_back();
  }
  partitions_[number].reader = std::move(reader);
  partitions_[number].caught_up = false;
  ++live_;
  to_read_.notify_one();
  return number;
}

void SampleFeed::Release(size_t partition) {
  const std::lock_guard lock(mutex_);
  FRESHET_CHECK(partitions_[partition].reader == nullptr && partitions_[partition].blocks.empty());
  free_numbers_.push_back(partition);
}

std::unique_ptr<SampleBlock> SampleFeed::Take(size_t partition) {
  std::unique_lock lock(mutex_);
  Partition& from = partitions_[partition];
  wanted_ = partition;
  to_read_.notify_one();
  parsed_.wait(lock, [this, &from] {
    return stopped_ || (from.blocks.empty() ? from.caught_up || from.reader == nullptr
                                            : from.blocks.front().parsed);
  });
  wanted_ = kNobody;
  if (stopped_ || from.blocks.empty()) {
    // Whoever asks again means now, not then.
    from.caught_up = false;
    return nullptr;
  }
  std::unique_ptr<SampleBlock> block = std::move(from.blocks.front().block);
  from.blocks.pop_front();
  ++from.first;
  --under_way_;
  --parsed_blocks_;
  ShowQueues();
  to_read_.notify_one();
  return block;
}

void SampleFeed::Return(std::unique_ptr<SampleBlock> block) {
  const std::lock_guard lock(mutex_);
  if (spare_.size() < kBlocks) {
    spare_.push_back(std::move(block));
  }
}

void SampleFeed::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  to_read_.notify_all();
  to_parse_.notify_all();
  parsed_.notify_all();
}

// With the mutex held.
void SampleFeed::ShowQueues() {
  metrics_.raw_blocks.Set(static_cast<double>(unparsed_.size()));
  metrics_.parsed_blocks.Set(static_cast<double>(parsed_blocks_));
}

// With the mutex held.
bool SampleFeed::MayRead(size_t partition) const {
  const Partition& candidate = partitions_[partition];
  if (candidate.reader == nullptr || candidate.blocks.size() >= kBlocksAhead) {
    return false;
  }
  return under_way_ < kBlocks || (partition == wanted_ && candidate.blocks.empty());
}

// With the mutex held. The partition that is waited for, else the next one in turn.
size_t SampleFeed::NextToRead(size_t after) const {
  if (wanted_ != kNobody && MayRead(wanted_) && partitions_[wanted_].blocks.empty()) {
    return wanted_;
  }
  for (size_t i = 1; i <= partitions_.size(); ++i) {
    const size_t partition = (after + i) % partitions_.size();
    if (MayRead(partition)) {
      return partition;
    }
  }
  return kNobody;
}

void SampleFeed::ReadAll() {
  std::unique_lock lock(mutex_);
  size_t last = 0;
  size_t idle = 0;  // partitions read in a row that had nothing
  while (!stopped_) {
    const size_t partition = NextToRead(last);
    if (partition == kNobody) {
      to_read_.wait(lock);
      continue;
    }
    last = partition;
    PartitionReader& reader = *partitions_[partition].reader;
    std::unique_ptr<SampleBlock> block = FreshBlock();
    lock.unlock();
    const auto start = clock_.Monotonic();
    Fill(reader, block.get());
    metrics_.stage_read.Increment(InSeconds(clock_.Monotonic() - start));
    lock.lock();
    idle = TakeIn(partition, std::move(block)) ? 0 : idle + 1;
    if (idle >= live_ && wanted_ == kNobody) {
      idle = 0;
      to_read_.wait_for(lock, kRest);  // or until somebody asks
    }
  }
}

// With the mutex held. False: there was nothing to read.
bool SampleFeed::TakeIn(size_t partition, std::unique_ptr<SampleBlock> block) {
  Partition& to = partitions_[partition];
  const bool ends = block->then == ReadResult::kEnd || !block->error.ok();
  to.caught_up = block->then == ReadResult::kNothingYet && block->error.ok();
  if (ends) {
    to.reader.reset();
    --live_;
  }
  if (block->records.empty() && !ends) {
    spare_.push_back(std::move(block));
    parsed_.notify_one();
    return false;
  }
  unparsed_.push_back({.partition = partition, .number = to.first + to.blocks.size()});
  to.blocks.push_back({.block = std::move(block), .parsed = false});
  ++under_way_;
  ShowQueues();
  to_parse_.notify_one();
  return true;
}

void SampleFeed::ParseAll() {
  std::unique_lock lock(mutex_);
  for (;;) {
    to_parse_.wait(lock, [this] { return stopped_ || !unparsed_.empty(); });
    if (stopped_) {
      return;
    }
    const ToParse next = unparsed_.front();
    unparsed_.pop_front();
    Partition& partition = partitions_[next.partition];
    // Nobody takes a block that is not parsed, so the ones before it stay.
    std::unique_ptr<SampleBlock> block =
        std::move(partition.blocks[next.number - partition.first].block);
    lock.unlock();
    const auto start = clock_.Monotonic();
    Parse(block.get());
    metrics_.stage_parse.Increment(InSeconds(clock_.Monotonic() - start));
    lock.lock();
    Entry& entry = partition.blocks[next.number - partition.first];
    entry.block = std::move(block);
    entry.parsed = true;
    ++parsed_blocks_;
    ShowQueues();
    if (next.number == partition.first) {
      parsed_.notify_one();
    }
  }
}

// With the mutex held.
std::unique_ptr<SampleBlock> SampleFeed::FreshBlock() {
  if (spare_.empty()) {
    return std::make_unique<SampleBlock>();
  }
  std::unique_ptr<SampleBlock> block = std::move(spare_.back());
  spare_.pop_back();
  block->Clear();
  return block;
}

void SampleFeed::Fill(PartitionReader& reader, SampleBlock* block) const {
  Record record;
  while (block->records.size() < kRecordsPerBlock && block->bytes.size() < kBytesPerBlock) {
    const StatusOr<ReadResult> result = reader.Next(&record);
    if (!result.ok()) {
      block->error = result.status();
      return;
    }
    block->then = *result;
    if (*result != ReadResult::kRecord) {
      return;
    }
    block->Append(record);
  }
}

void SampleFeed::Parse(SampleBlock* block) const {
  if (block->samples.size() < block->records.size()) {
    block->samples.resize(block->records.size());
  }
  block->problems.reserve(block->records.size());
  for (size_t i = 0; i < block->records.size(); ++i) {
    const SampleBlock::RecordAt& record = block->records[i];
    block->problems.push_back(record.damaged
                                  ? DataLoss("lies in a block that does not have its checksum")
                                  : parser_.Parse(block->BytesOf(record), &block->samples[i]));
  }
}

}  // namespace freshet::worker
