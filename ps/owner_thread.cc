#include "ps/owner_thread.h"

#include <atomic>
#include <latch>
#include <memory>
#include <mutex>

namespace freshet::ps {
namespace {

struct Fan {
  absl::AnyInvocable<Status(Shard&, size_t) const> work;
  absl::AnyInvocable<void(Status)> done;
  std::atomic<size_t> remaining;
  std::mutex mutex;
  Status first_error;  // under mutex

  void Run(Epoch epoch, Shard& shard, size_t i) {
    Status status = shard.CheckEpoch(epoch);
    if (status.ok()) {
      status = work(shard, i);
      if (!status.ok()) {
        shard.Fail(status);
      }
      shard.PublishSize();  // before anybody is told
    }
    if (!status.ok()) {
      const std::lock_guard lock(mutex);
      first_error.Update(status);
    }
    if (remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      done(first_error);
    }
  }
};

}  // namespace

void FanOut(std::span<OwnerThread* const> owners,
            Epoch epoch,
            absl::AnyInvocable<Status(Shard&, size_t) const> work,
            absl::AnyInvocable<void(Status)> done,
            Where where) {
  if (owners.empty()) {
    done(absl::OkStatus());
    return;
  }
  const auto fan = std::make_shared<Fan>();
  fan->work = std::move(work);
  fan->done = std::move(done);
  fan->remaining = owners.size();
  for (size_t i = 0; i < owners.size(); ++i) {
    auto task = [fan, epoch, i](Shard& shard) { fan->Run(epoch, shard, i); };
    if (where == Where::kHereIfIdle && i + 1 == owners.size()) {
      owners[i]->RunOrPost(std::move(task));
    } else {
      owners[i]->Post(std::move(task));
    }
  }
}

void FanOutToAll(const OwnerThreads& owners,
                 Epoch epoch,
                 absl::AnyInvocable<Status(Shard&, size_t) const> work,
                 absl::AnyInvocable<void(Status)> done) {
  std::vector<OwnerThread*> all;
  for (const auto& owner : owners) {
    all.push_back(owner.get());
  }
  FanOut(all, epoch, std::move(work), std::move(done));
}

Status RunOnAllAndWait(const OwnerThreads& owners, absl::AnyInvocable<Status(Shard&) const> work) {
  std::vector<Status> statuses(owners.size());
  std::latch left(static_cast<std::ptrdiff_t>(owners.size()));
  for (size_t i = 0; i < owners.size(); ++i) {
    owners[i]->Post([&work, &left, &status = statuses[i]](Shard& shard) {
      status = work(shard);
      shard.PublishSize();
      left.count_down();
    });
  }
  left.wait();
  Status first_error;
  for (const Status& status : statuses) {
    first_error.Update(status);
  }
  return first_error;
}

}  // namespace freshet::ps
