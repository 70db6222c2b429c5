#include "ps/announce_service.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/rpc/typed.h"
#include "ps/split.h"

namespace freshet::ps {

// What an announcement needs until its last owner has looked at it.
struct AnnounceService::Work {
  Buffer payload;
  std::shared_ptr<Session> session;
  SplitPayload split;
  std::vector<uint32_t> threads;
};

AnnounceService::AnnounceService(const PsOptions& options,
                                 CurrentSession& current,
                                 const OwnerThreads& owners,
                                 PsMetrics& metrics)
    : options_(options), current_(current), owners_(owners), metrics_(metrics) {}

void AnnounceService::Register(rpc::Server& server) {
  rpc::HandleTyped<proto::AnnounceRequest>(
      server,
      rpc::Method::kAnnounce,
      [this](const proto::AnnounceRequest& request, Buffer body, rpc::Responder respond) {
        if (const Status status = Announce(request, std::move(body)); !status.ok()) {
          respond(status);
        } else {
          respond(rpc::MakeMessage(proto::AnnounceResponse()));
        }
      });
}

Status AnnounceService::Announce(const proto::AnnounceRequest& request, Buffer payload) {
  const auto work = std::make_shared<Work>();
  work->payload = std::move(payload);
  FRESHET_ASSIGN_OR_RETURN(work->session, current_.Find(request.epoch()));
  FRESHET_ASSIGN_OR_RETURN(const auto model, work->session->model());
  FRESHET_ASSIGN_OR_RETURN(
      work->split,
      SplitByOwner(*model, work->session->ownership(), request.runs(), {}, work->payload.bytes()));
  if (work->payload.size() != work->split.keys * sizeof(Key)) {
    return InvalidArgument("the payload of the announcement has {} bytes, its runs say {}",
                           work->payload.size(),
                           work->split.keys * sizeof(Key));
  }
  work->threads = work->split.Owners();
  Post(work);
  return absl::OkStatus();
}

void AnnounceService::Post(const std::shared_ptr<Work>& work) {
  if (in_flight_.fetch_add(1) >= options_.max_announcements_in_flight) {
    in_flight_.fetch_sub(1);
    metrics_.dropped_announcements.Increment();
    return;
  }
  metrics_.announced_keys.Increment(static_cast<double>(work->split.keys));
  std::vector<OwnerThread*> picked;
  for (const uint32_t thread : work->threads) {
    picked.push_back(owners_[thread].get());
  }
  FanOut(
      picked,
      work->session->epoch(),
      [work](Shard& shard, size_t i) {
        for (const OwnedRun& run : work->split.by_owner[work->threads[i]]) {
          FRESHET_RETURN_IF_ERROR(shard.embedding(run.variable).Announce(run.keys));
        }
        return absl::OkStatus();
      },
      // An epoch that is over has nothing to bring up.
      [this](const Status& /*status*/) { in_flight_.fetch_sub(1); });
}

}  // namespace freshet::ps
