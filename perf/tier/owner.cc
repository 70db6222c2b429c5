#include "perf/tier/owner.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <future>
#include <iostream>
#include <utility>

#include "common/check.h"
#include "perf/zipf.h"
#include "proto/model.pb.h"
#include "ps/storage.h"

namespace freshet::perf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kZipfExponent = 1.05;

proto::ModelSpec Model(uint32_t dim) {
  proto::ModelSpec model;
  proto::EmbeddingVariable& variable = *model.add_embedding_variables();
  variable.set_name("bench");
  variable.set_dim(dim);
  variable.set_seed(1);
  proto::Initializer& initializer = *variable.add_initializers();
  initializer.set_kind(proto::Initializer::UNIFORM);
  initializer.set_scale(0.1F);
  proto::Adagrad& adagrad = *variable.mutable_optimizer()->mutable_adagrad();
  adagrad.set_learning_rate(0.1F);
  adagrad.set_initial_accumulator(0.1F);
  adagrad.set_epsilon(1e-7F);
  return model;
}

std::unique_ptr<ps::ColdStore> Open(const ps::StorageOptions& options) {
  auto opened = ps::OpenStore(options);
  if (!opened.ok()) {
    std::cerr << opened.status() << "\n";
    std::exit(1);
  }
  return *std::move(opened);
}

uint64_t HashOf(uint64_t hash, const void* bytes, size_t size) {
  const auto* from = static_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < size; i += sizeof(uint32_t)) {
    uint32_t word = 0;
    std::copy_n(from + i, sizeof(word), reinterpret_cast<unsigned char*>(&word));
    hash = SplitMix64(hash ^ word);
  }
  return hash;
}

uint64_t ChecksumOf(const EmbeddingRows& rows) {
  uint64_t sum = 0;
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    uint64_t hash = HashOf(rows.keys[i], &rows.values[i * rows.dim], rows.dim * sizeof(float));
    hash = HashOf(hash, &rows.states[i * rows.state_dim], rows.state_dim * sizeof(float));
    hash = HashOf(hash, &rows.frequencies[i], sizeof(uint32_t));
    sum += HashOf(hash, &rows.last_updates[i], sizeof(uint32_t));
  }
  return sum;
}

uint64_t ChecksumOf(const ps::CutPiece& piece) {
  constexpr size_t kBytesAtOnce = 16U << 20U;
  uint64_t sum = 0;
  for (const EmbeddingRows& rows : piece.contents.embeddings) {
    sum += ChecksumOf(rows);
  }
  for (const auto& cold : piece.cold) {
    while (true) {
      const auto rows = cold->Next(kBytesAtOnce);
      FRESHET_CHECK(rows.ok());
      if (rows->keys.empty()) {
        break;
      }
      sum += ChecksumOf(*rows);
    }
  }
  return sum;
}

}  // namespace

Owner::Owner(const OwnerOptions& options)
    : options_(options),
      store_(Open(options.storage)),
      values_(size_t{kBatch} * options.dim),
      gradients_(size_t{kBatch} * options.dim, 0.01F) {
  ps::ShardStorage storage = ps::ShareOf(options.storage, 1);
  storage.store = store_.get();
  owner_ = std::make_unique<ps::OwnerThread>(0, storage);
  Post([model = Model(options.dim)](ps::Shard& shard) {
    shard.Clear(Epoch(1), ps::Ownership(PartitionMap(kDefaultPartitionCount, 1), 0, 1));
    shard.Declare(model);
  });
  Flush();
}

Owner::~Owner() = default;

void Owner::Flush() {
  std::promise<void> done;
  Post([&done](ps::Shard& shard) {
    shard.PublishSize();
    done.set_value();
  });
  done.get_future().wait();
}

void Owner::Push(ps::Shard& shard, const Keys& keys) {
  const std::span<const float> gradients(gradients_.data(), keys.size() * options_.dim);
  FRESHET_CHECK(
      shard.embedding(0).Push(keys, {}, gradients, {.event_time_s = 1, .step = ++step_}).ok());
}

void Owner::Fill() {
  for (uint32_t first = 0; first < options_.rows; first += kBatch) {
    Keys keys(std::min(kBatch, options_.rows - first));
    for (uint32_t i = 0; i < keys.size(); ++i) {
      keys[i] = SplitMix64(first + i);
    }
    Post([this, keys = std::move(keys)](ps::Shard& shard) { Push(shard, keys); });
    if (first % (64 * kBatch) == 0) {
      Flush();
    }
  }
  Flush();
}

RunTime Owner::Run(uint64_t seed, uint32_t batches, uint32_t ahead) {
  Random random(seed);
  const Zipf zipf(options_.rows, kZipfExponent);
  std::vector<Keys> stream(batches);
  RunTime time;
  for (Keys& keys : stream) {
    for (uint32_t i = 0; i < kBatch; ++i) {
      // Often and rarely used keys are spread over those that were pushed first and last.
      keys.push_back(SplitMix64(zipf.Draw(random) * uint64_t{2'654'435'761} % options_.rows));
    }
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    time.draws += kBatch;
    time.keys += keys.size();
  }
  const auto announce = [&](uint32_t batch) {
    if (ahead > 0 && batch < batches) {
      Post([&keys = stream[batch]](ps::Shard& shard) {
        FRESHET_CHECK(shard.embedding(0).Announce(keys).ok());
      });
    }
  };
  Flush();
  const Clock::time_point start = Clock::now();
  for (uint32_t batch = 0; batch < ahead; ++batch) {
    announce(batch);
  }
  for (uint32_t batch = 0; batch < batches; ++batch) {
    announce(batch + ahead);
    Post([this, &keys = stream[batch]](ps::Shard& shard) {
      FRESHET_CHECK(
          shard.embedding(0).Pull(keys, {}, {values_.data(), keys.size() * options_.dim}).ok());
    });
    Post([this, &keys = stream[batch]](ps::Shard& shard) { Push(shard, keys); });
    if (batch % 4 == 3) {
      Flush();
    }
  }
  Flush();
  time.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return time;
}

uint64_t Owner::Checksum() {
  uint64_t sum = 0;
  std::promise<void> done;
  Post([](ps::Shard& shard) { shard.BeginCut(true); });
  Post([&](ps::Shard& shard) {
    shard.StartCopy([&](StatusOr<ps::CutPiece> piece) {
      FRESHET_CHECK(piece.ok());
      sum += ChecksumOf(*piece);
      if (piece->last) {
        done.set_value();
      } else {
        Post([](ps::Shard& of) { of.PieceWritten(); });
      }
    });
  });
  done.get_future().wait();
  Post([](ps::Shard& shard) { shard.EndCut(VersionId(1)); });
  Flush();
  return sum;
}

}  // namespace freshet::perf
