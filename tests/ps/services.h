#pragma once
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "common/env/clock.h"
#include "ps/announce_service.h"
#include "ps/training_service.h"
#include "tests/ps/cluster.h"

namespace freshet::ps::test {

// The services of a server that train, in epoch 1 of a model, over owner threads that a test can
// hold up.
class Services {
 public:
  Services(const proto::ModelSpec& model, const PsOptions& options, bool bsp = false)
      : training_(options, current_, owners_, metrics_, SystemClock()),
        announce_(options, current_, owners_, metrics_) {
    for (uint32_t thread = 0; thread < options.owner_threads; ++thread) {
      owners_.push_back(std::make_unique<OwnerThread>(thread));
    }
    BeginEpoch(bsp);
    auto server = transport_->Listen("ps");
    REQUIRE(server.ok());
    server_ = *std::move(server);
    training_.Register(*server_);
    announce_.Register(*server_);
    server_->Start();
    client_ = std::make_unique<Client>(*transport_, "ps");
    REQUIRE(client_->Declare(1, model).ok());
  }

  // Nobody is held up any more.
  ~Services() {
    current_.Stop();
    client_.reset();
    server_.reset();
    owners_.clear();
  }

  Client& client() { return *client_; }

  PsMetrics& metrics() { return metrics_; }

  uint32_t ThreadOf(Key key) const {
    const Ownership& ownership = current_.Get()->ownership();
    return ownership.ThreadOf(ownership.partitions().PartitionOf(key));
  }

  // The thread does nothing until the promise is kept.
  std::promise<void> HoldUp(uint32_t thread) {
    std::promise<void> release;
    owners_[thread]->Post([released = release.get_future().share()](Shard&) { released.wait(); });
    return release;
  }

  // Waits until the thread has done all that was posted to it.
  void Flush(uint32_t thread) {
    std::promise<void> done;
    owners_[thread]->Post([&done](Shard&) { done.set_value(); });
    done.get_future().wait();
  }

 private:
  void BeginEpoch(bool bsp) {
    proto::RestoreRequest restore;
    restore.set_epoch(1);
    restore.set_servers(1);
    restore.set_workers(1);
    restore.set_partition_count(kDefaultPartitionCount);
    restore.set_bsp(bsp);
    const auto session = std::make_shared<Session>(restore, static_cast<uint32_t>(owners_.size()));
    REQUIRE(current_.Begin(session).ok());
    REQUIRE(RunOnAllAndWait(owners_, [&session](Shard& shard) {
              shard.Clear(session->epoch(), session->ownership());
              return absl::OkStatus();
            }).ok());
    session->Open(nullptr);
  }

  std::unique_ptr<rpc::Transport> transport_ = rpc::MakeInProcessTransport();
  PsMetrics metrics_;
  CurrentSession current_;
  OwnerThreads owners_;
  TrainingService training_;
  AnnounceService announce_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Client> client_;
};

}  // namespace freshet::ps::test
