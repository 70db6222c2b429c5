#include <hiredis/hiredis.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "perf/rpc/client.h"
#include "perf/rpc/pipelined.h"

namespace freshet::perf {
namespace {

class RedisClient final : public Client {
 public:
  explicit RedisClient(uint16_t port) : context_(::redisConnect("127.0.0.1", port)) {
    if (context_ == nullptr || context_->err != 0) {
      Die();
    }
    value_.assign(kDim * sizeof(float), '\1');
  }

  ~RedisClient() override { ::redisFree(context_); }

  RunTime Pull(const std::vector<Keys>& batches, size_t in_flight) override {
    return Run(batches, in_flight, false);
  }

  RunTime Push(const std::vector<Keys>& batches, size_t in_flight) override {
    return Run(batches, in_flight, true);
  }

 private:
  RunTime Run(const std::vector<Keys>& batches, size_t in_flight, bool push) {
    return RunPipelined(
        batches,
        in_flight,
        [&](const Keys& keys) { Send(keys, push); },
        [&](size_t keys) { Receive(keys, push); });
  }

  void Send(const Keys& keys, bool push) {
    arguments_.clear();
    lengths_.clear();
    Add(push ? "MSET" : "MGET", 4);
    for (const Key& key : keys) {
      Add(reinterpret_cast<const char*>(&key), sizeof key);
      if (push) {
        Add(value_.data(), value_.size());
      }
    }
    if (::redisAppendCommandArgv(
            context_, static_cast<int>(arguments_.size()), arguments_.data(), lengths_.data()) !=
        REDIS_OK) {
      Die();
    }
    // Now, and not when an answer is waited for.
    for (int done = 0; done == 0;) {
      if (::redisBufferWrite(context_, &done) != REDIS_OK) {
        Die();
      }
    }
  }

  void Add(const char* text, size_t length) {
    arguments_.push_back(text);
    lengths_.push_back(length);
  }

  // Copies what was read to where a worker would have it.
  void Receive(size_t keys, bool push) {
    void* raw = nullptr;
    if (::redisGetReply(context_, &raw) != REDIS_OK) {
      Die();
    }
    auto* const reply = static_cast<redisReply*>(raw);
    if (reply->type == REDIS_REPLY_ERROR) {
      std::fprintf(stderr, "Redis: %s\n", reply->str);
      std::exit(1);
    }
    if (!push) {
      rows_.resize(keys * kDim);
      for (size_t i = 0; i < reply->elements; ++i) {
        const redisReply* const row = reply->element[i];
        if (row->type == REDIS_REPLY_STRING && row->len == kDim * sizeof(float)) {
          std::memcpy(&rows_[i * kDim], row->str, row->len);
        }
      }
    }
    ::freeReplyObject(raw);
  }

  [[noreturn]] void Die() const {
    std::fprintf(stderr, "Redis: %s\n", context_ == nullptr ? "no memory" : context_->errstr);
    std::exit(1);
  }

  redisContext* const context_;
  std::string value_;
  std::vector<const char*> arguments_;
  std::vector<size_t> lengths_;
  std::vector<float> rows_;
};

}  // namespace

std::unique_ptr<Client> MakeRedisClient(uint16_t port) {
  return std::make_unique<RedisClient>(port);
}

}  // namespace freshet::perf
