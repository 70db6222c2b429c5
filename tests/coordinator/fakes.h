#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/cluster/member.h"
#include "common/env/env.h"
#include "common/rpc/typed.h"
#include "common/version_log/version_log.h"
#include "proto/control.pb.h"
#include "proto/ps.pb.h"

// Members that do what they are told, and tell what they were told. They keep the rules of
// docs/architecture.md in the simplest way, on one model: a map from key to count.
namespace freshet::coordinator {

// What happened in a cluster, in order: "worker-0 hold". Thread-safety: any thread.
class Journal {
 public:
  void Add(const std::string& entry);
  std::vector<std::string> entries() const;
  size_t Count(const std::string& entry) const;
  // Waits until `entry` is there `count` times.
  void Await(const std::string& entry, size_t count = 1);
  void Clear();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> entries_;
};

// What all fakes share: a server, a place in the journal, failures on order, a membership.
class FakeMember {
 public:
  virtual ~FakeMember() = default;

  // The next request of this method is answered with `status`; nothing is done.
  void FailNext(rpc::Method method, const Status& status);
  // The next request of this method is never answered; nothing is done.
  void HangNext(rpc::Method method);

  // Sends a heartbeat at once.
  void ReportNow() { member_->ReportNow(); }

  const std::string& address() const { return address_; }

 protected:
  FakeMember(const Env& env, proto::Role role, uint32_t rank, Journal& journal);

  // `handle` is called with mutex_ held.
  template <typename Request, typename Response>
  void On(rpc::Method method,
          const std::string& what,
          std::function<StatusOr<Response>(const Request&, const Buffer&)> handle) {
    rpc::HandleTyped<Request>(
        *server_,
        method,
        [this, method, what, handle = std::move(handle)](
            const Request& request, const Buffer& body, rpc::Responder respond) {
          std::unique_lock lock(mutex_);
          journal_.Add(name_ + " " + what);
          std::deque<Status>& failures = failures_[method];
          if (!failures.empty()) {
            const Status failure = failures.front();
            failures.pop_front();
            if (failure.ok()) {
              hanging_.push_back(std::move(respond));
            } else {
              respond(failure);
            }
            return;
          }
          const StatusOr<Response> response = handle(request, body);
          lock.unlock();
          if (response.ok()) {
            respond(rpc::MakeMessage(*response));
          } else {
            respond(response.status());
          }
        });
  }

  // Starts to listen, and joins.
  void Begin(const std::string& coordinator);
  // Ends the membership and the server; by each derived destructor, before its members go.
  void End();
  virtual proto::MemberReport Report() const = 0;

  const Env& env_;
  const proto::Role role_;
  const uint32_t rank_;
  const std::string name_;
  Journal& journal_;
  mutable std::mutex mutex_;

 private:
  std::string address_;
  std::map<rpc::Method, std::deque<Status>> failures_;
  std::vector<rpc::Responder> hanging_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Member> member_;
};

class FakePs final : public FakeMember {
 public:
  FakePs(const Env& env,
         uint32_t rank,
         const std::string& coordinator,
         const std::string& log_dir,
         Journal& journal);
  ~FakePs() override;

  // As if a worker had pushed.
  void Add(Key key, float count);
  std::map<Key, float> rows() const;
  uint64_t epoch() const;
  // Its rule of eviction: rows that count less than this go.
  void EvictBelow(float count);
  // Of the last Cut.
  bool last_cut_full() const;
  proto::RestoreRequest last_restore() const;

 private:
  proto::MemberReport Report() const override;
  Status CheckEpoch(uint64_t epoch) const;
  void ListenForCuts();
  StatusOr<proto::RestoreResponse> Restore(const proto::RestoreRequest& request);
  StatusOr<proto::CutResponse> Cut(const proto::CutRequest& request);
  StatusOr<proto::WriteCutResponse> WriteCut(const proto::WriteCutRequest& request);
  StatusOr<proto::EndCutResponse> EndCut(const proto::EndCutRequest& request);
  StatusOr<proto::DeleteResponse> Delete(const proto::DeleteRequest& request, const Buffer& keys);
  StatusOr<proto::EvictResponse> Evict(const proto::EvictRequest& request);
  StatusOr<proto::ExplainResponse> Explain(const proto::ExplainRequest& request) const;

  VersionLog log_;
  // With mutex_ held.
  proto::RestoreRequest restore_;
  std::map<Key, float> rows_;
  std::set<Key> dirty_;
  std::set<Key> deleted_;
  float evict_below_ = 0;
  bool full_ = false;
  uint64_t cut_version_ = 0;  // 0: no cut under way
  std::map<Key, float> cut_rows_;
  std::set<Key> cut_deleted_;
};

class FakeWorker final : public FakeMember {
 public:
  FakeWorker(const Env& env,
             uint32_t rank,
             const std::string& coordinator,
             const proto::ModelSpec& model,
             Journal& journal);
  ~FakeWorker() override;

  // As if it had read and pushed one batch of so many samples.
  void Train(uint64_t samples);
  // Its stream has ended. Tells at once.
  void Finish();
  // It cannot go on with this session. Tells at once.
  void FailSession(const std::string& error);

  uint64_t offset() const;
  uint64_t epoch() const;
  uint64_t last_pause_step() const;
  std::vector<proto::StartSessionRequest> sessions() const;
  bool held() const;
  // Declares another model from the next session on.
  void SetModel(const proto::ModelSpec& model);

 private:
  proto::MemberReport Report() const override;
  Status CheckEpoch(uint64_t epoch) const;
  StatusOr<proto::StartSessionResponse> Start(const proto::StartSessionRequest& request);
  StatusOr<proto::PauseResponse> Pause(const proto::PauseRequest& request);

  // With mutex_ held.
  proto::ModelSpec model_;
  std::vector<proto::StartSessionRequest> sessions_;
  uint64_t step_ = 0;
  uint64_t pause_step_ = 0;
  uint64_t offset_ = 0;
  uint64_t window_ = 0;  // samples since a window was taken
  bool finished_ = false;
  bool held_ = false;
  std::string error_;
};

class FakeServing final : public FakeMember {
 public:
  FakeServing(const Env& env, uint32_t rank, const std::string& coordinator, Journal& journal);
  ~FakeServing() override;

  void Serve(uint64_t version, int64_t newest_arrival_ms);
  // Has left out one more damaged version. Tells at once.
  void Refuse();
  uint64_t noticed() const;

 private:
  proto::MemberReport Report() const override;

  // With mutex_ held.
  proto::MemberReport report_;
  uint64_t noticed_ = 0;
};

}  // namespace freshet::coordinator
