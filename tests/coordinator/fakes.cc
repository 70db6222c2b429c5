#include "tests/coordinator/fakes.h"

#include <algorithm>
#include <atomic>

#include "common/check.h"
#include "common/metrics/evaluation.h"
#include "coordinator/membership.h"

namespace freshet::coordinator {
namespace {

constexpr char kVariable[] = "ledger";
constexpr uint32_t kDim = 4;

// No two processes of a test listen at one address.
std::string NewAddress(const std::string& name) {
  static std::atomic<int> next{1};
  return name + "-" + std::to_string(next.fetch_add(1)) + ":1";
}

}  // namespace

void Journal::Add(const std::string& entry) {
  {
    const std::lock_guard lock(mutex_);
    entries_.push_back(entry);
  }
  changed_.notify_all();
}

std::vector<std::string> Journal::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

size_t Journal::Count(const std::string& entry) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count(entries_.begin(), entries_.end(), entry));
}

void Journal::Await(const std::string& entry, size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return static_cast<size_t>(std::count(entries_.begin(), entries_.end(), entry)) >= count;
  });
}

void Journal::Clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

FakeMember::FakeMember(const Env& env, proto::Role role, uint32_t rank, Journal& journal)
    : env_(env),
      role_(role),
      rank_(rank),
      name_(MemberName(role, rank)),
      journal_(journal),
      address_(NewAddress(name_)),
      server_(env.transport.Listen(address_).value()) {}

void FakeMember::FailNext(rpc::Method method, const Status& status) {
  FRESHET_CHECK(!status.ok());
  const std::lock_guard lock(mutex_);
  failures_[method].push_back(status);
}

void FakeMember::HangNext(rpc::Method method) {
  const std::lock_guard lock(mutex_);
  failures_[method].push_back(absl::OkStatus());
}

void FakeMember::Begin(const std::string& coordinator) {
  server_->Start();
  MemberOptions options;
  options.identity.set_role(role_);
  options.identity.set_rank(rank_);
  options.identity.set_address(address_);
  options.identity.set_build("test");
  options.locate_coordinator = [coordinator]() -> StatusOr<std::string> { return coordinator; };
  member_ = std::make_unique<Member>(env_, std::move(options), [this] { return Report(); });
}

void FakeMember::End() {
  member_.reset();
  server_.reset();
}

// ---- ps

FakePs::FakePs(const Env& env,
               uint32_t rank,
               const std::string& coordinator,
               const std::string& log_dir,
               Journal& journal)
    : FakeMember(env, proto::PS, rank, journal), log_(env.files, log_dir) {
  On<proto::RestoreRequest, proto::RestoreResponse>(
      rpc::Method::kRestore, "restore", [this](const auto& request, const Buffer&) {
        return Restore(request);
      });
  On<proto::DeleteRequest, proto::DeleteResponse>(
      rpc::Method::kDelete, "delete", [this](const auto& request, const Buffer& keys) {
        return Delete(request, keys);
      });
  On<proto::EvictRequest, proto::EvictResponse>(
      rpc::Method::kEvict, "evict", [this](const auto& request, const Buffer&) {
        return Evict(request);
      });
  On<proto::ExplainRequest, proto::ExplainResponse>(
      rpc::Method::kExplain, "explain", [this](const auto& request, const Buffer&) {
        return Explain(request);
      });
  ListenForCuts();
  Begin(coordinator);
}

void FakePs::ListenForCuts() {
  On<proto::CutRequest, proto::CutResponse>(
      rpc::Method::kCut, "cut", [this](const auto& request, const Buffer&) {
        return Cut(request);
      });
  On<proto::WriteCutRequest, proto::WriteCutResponse>(
      rpc::Method::kWriteCut, "write", [this](const auto& request, const Buffer&) {
        return WriteCut(request);
      });
  On<proto::EndCutRequest, proto::EndCutResponse>(
      rpc::Method::kEndCut, "end", [this](const auto& request, const Buffer&) {
        journal_.Add(name_ + (request.committed() ? " committed" : " undone"));
        return EndCut(request);
      });
}

FakePs::~FakePs() {
  End();
}

void FakePs::Add(Key key, float count) {
  const std::lock_guard lock(mutex_);
  rows_[key] += count;
  dirty_.insert(key);
}

std::map<Key, float> FakePs::rows() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

uint64_t FakePs::epoch() const {
  const std::lock_guard lock(mutex_);
  return restore_.epoch();
}

void FakePs::EvictBelow(float count) {
  const std::lock_guard lock(mutex_);
  evict_below_ = count;
}

bool FakePs::last_cut_full() const {
  const std::lock_guard lock(mutex_);
  return full_;
}

proto::RestoreRequest FakePs::last_restore() const {
  const std::lock_guard lock(mutex_);
  return restore_;
}

proto::MemberReport FakePs::Report() const {
  const std::lock_guard lock(mutex_);
  proto::MemberReport report;
  report.set_epoch(restore_.epoch());
  report.set_rows(rows_.size());
  return report;
}

Status FakePs::CheckEpoch(uint64_t epoch) const {
  return epoch == restore_.epoch()
             ? absl::OkStatus()
             : Aborted("{} is in epoch {}, not {}", name_, restore_.epoch(), epoch);
}

StatusOr<proto::RestoreResponse> FakePs::Restore(const proto::RestoreRequest& request) {
  if (request.epoch() <= restore_.epoch()) {
    return Aborted("{} is in epoch {} already", name_, restore_.epoch());
  }
  restore_ = request;
  rows_.clear();
  dirty_.clear();
  deleted_.clear();
  cut_version_ = 0;
  const auto take = [&](const proto::Manifest& manifest, const PartContents& contents) {
    (void)manifest;
    for (const EmbeddingRows& part : contents.embeddings) {
      for (const Key key : part.tombstones) {
        rows_.erase(key);
      }
      for (size_t i = 0; i < part.keys.size(); ++i) {
        if (part.keys[i] % request.servers() == request.server()) {
          rows_[part.keys[i]] = part.values[i * kDim];
        }
      }
    }
    return absl::OkStatus();
  };
  if (request.version() != 0) {
    FRESHET_RETURN_IF_ERROR(
        ForEachPart(env_.files, log_, VersionId(request.version()), PartColumns::kAll, take));
  }
  proto::RestoreResponse response;
  response.set_rows(rows_.size());
  return response;
}

StatusOr<proto::CutResponse> FakePs::Cut(const proto::CutRequest& request) {
  FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  if (cut_version_ != 0) {
    return FailedPrecondition("{} has not ended the cut of version {}", name_, cut_version_);
  }
  cut_version_ = request.version();
  full_ = request.full();
  cut_rows_.clear();
  for (const auto& [key, count] : rows_) {
    if (full_ || dirty_.count(key) > 0) {
      cut_rows_[key] = count;
    }
  }
  cut_deleted_ = std::exchange(deleted_, {});
  dirty_.clear();
  proto::CutResponse response;
  response.set_rows(cut_rows_.size());
  response.set_tombstones(cut_deleted_.size());
  return response;
}

StatusOr<proto::WriteCutResponse> FakePs::WriteCut(const proto::WriteCutRequest& request) {
  FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  if (cut_version_ != request.version()) {
    return FailedPrecondition("{} has no cut of version {}", name_, request.version());
  }
  EmbeddingRows rows;
  rows.variable = kVariable;
  rows.dim = kDim;
  for (const auto& [key, count] : cut_rows_) {
    rows.keys.push_back(key);
    rows.values.insert(rows.values.end(), {count, 0, 0, 0});
    rows.frequencies.push_back(1);
    rows.last_updates.push_back(0);
  }
  rows.tombstones.assign(cut_deleted_.begin(), cut_deleted_.end());
  PartContents contents;
  contents.embeddings.push_back(std::move(rows));
  FRESHET_ASSIGN_OR_RETURN(proto::PartFile part,
                           WritePart(env_.files,
                                     log_.VersionDirectory(VersionId(request.version())),
                                     fmt::format("part-{}-0.safetensors", rank_),
                                     contents));
  proto::WriteCutResponse response;
  *response.add_parts() = std::move(part);
  return response;
}

StatusOr<proto::EndCutResponse> FakePs::EndCut(const proto::EndCutRequest& request) {
  FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  if (cut_version_ == request.version() && !request.committed()) {
    for (const auto& [key, count] : cut_rows_) {
      dirty_.insert(key);
    }
    deleted_.insert(cut_deleted_.begin(), cut_deleted_.end());
  }
  cut_version_ = 0;
  return proto::EndCutResponse();
}

StatusOr<proto::DeleteResponse> FakePs::Delete(const proto::DeleteRequest& request,
                                               const Buffer& keys) {
  FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  proto::DeleteResponse response;
  for (const Key key : keys.as<Key>(0, keys.size() / sizeof(Key))) {
    if (rows_.erase(key) > 0) {
      deleted_.insert(key);
      dirty_.erase(key);
      response.set_deleted(response.deleted() + 1);
    }
  }
  return response;
}

StatusOr<proto::EvictResponse> FakePs::Evict(const proto::EvictRequest& request) {
  FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  uint64_t evicted = 0;
  for (auto row = rows_.begin(); row != rows_.end();) {
    const Key key = row->first;
    const bool goes = row->second < evict_below_;
    evicted += goes ? 1 : 0;
    if (goes && !request.dry_run()) {
      row = rows_.erase(row);
      deleted_.insert(key);
      dirty_.erase(key);
    } else {
      ++row;
    }
  }
  proto::EvictResponse response;
  proto::Evictions& evictions = *response.add_variables();
  evictions.set_variable(kVariable);
  if (evicted > 0) {
    proto::RuleEvictions& rule = *evictions.add_rules();
    rule.set_rule("steps_to_live");
    rule.set_rows(evicted);
    rule.set_bytes(evicted * 10);
  }
  return response;
}

StatusOr<proto::ExplainResponse> FakePs::Explain(const proto::ExplainRequest& request) const {
  FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  proto::ExplainResponse response;
  response.add_lines(
      fmt::format("{} was asked for {} of slot {}", name_, request.key(), request.slot()));
  return response;
}

// ---- worker

FakeWorker::FakeWorker(const Env& env,
                       uint32_t rank,
                       const std::string& coordinator,
                       const proto::ModelSpec& model,
                       Journal& journal)
    : FakeMember(env, proto::WORKER, rank, journal), model_(model) {
  On<proto::StartSessionRequest, proto::StartSessionResponse>(
      rpc::Method::kStartSession, "start", [this](const auto& request, const Buffer&) {
        return Start(request);
      });
  On<proto::HoldRequest, proto::HoldResponse>(
      rpc::Method::kHold,
      "hold",
      [this](const auto& request, const Buffer&) -> StatusOr<proto::HoldResponse> {
        FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
        held_ = true;
        proto::HoldResponse response;
        response.set_step(step_);
        response.set_finished(finished_);
        return response;
      });
  On<proto::PauseRequest, proto::PauseResponse>(
      rpc::Method::kPause, "pause", [this](const auto& request, const Buffer&) {
        return Pause(request);
      });
  On<proto::ResumeRequest, proto::ResumeResponse>(
      rpc::Method::kResume,
      "resume",
      [this](const auto& request, const Buffer&) -> StatusOr<proto::ResumeResponse> {
        FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
        held_ = false;
        window_ = request.window_taken() ? 0 : window_;
        return proto::ResumeResponse();
      });
  Begin(coordinator);
}

FakeWorker::~FakeWorker() {
  End();
}

void FakeWorker::Train(uint64_t samples) {
  const std::lock_guard lock(mutex_);
  ++step_;
  offset_ += samples;
  window_ += samples;
}

void FakeWorker::Finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  ReportNow();
}

void FakeWorker::FailSession(const std::string& error) {
  {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  ReportNow();
}

uint64_t FakeWorker::offset() const {
  const std::lock_guard lock(mutex_);
  return offset_;
}

uint64_t FakeWorker::epoch() const {
  const std::lock_guard lock(mutex_);
  return sessions_.empty() ? 0 : sessions_.back().epoch();
}

uint64_t FakeWorker::last_pause_step() const {
  const std::lock_guard lock(mutex_);
  return pause_step_;
}

std::vector<proto::StartSessionRequest> FakeWorker::sessions() const {
  const std::lock_guard lock(mutex_);
  return sessions_;
}

bool FakeWorker::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

void FakeWorker::SetModel(const proto::ModelSpec& model) {
  const std::lock_guard lock(mutex_);
  model_ = model;
}

Status FakeWorker::CheckEpoch(uint64_t epoch) const {
  const uint64_t own = sessions_.empty() ? 0 : sessions_.back().epoch();
  return epoch == own ? absl::OkStatus() : Aborted("{} is in epoch {}, not {}", name_, own, epoch);
}

proto::MemberReport FakeWorker::Report() const {
  const std::lock_guard lock(mutex_);
  proto::MemberReport report;
  report.set_epoch(sessions_.empty() ? 0 : sessions_.back().epoch());
  report.set_samples(offset_);
  report.set_finished(finished_);
  report.set_error(error_);
  EvaluationSums sums;
  for (uint64_t i = 0; i < std::min<uint64_t>(offset_, 1000); ++i) {
    sums.Add(i % 2 == 0 ? 0.9F : 0.1F, 0.1F, i % 2 == 0 ? 1.0F : 0.0F, 1.0F);
  }
  *report.mutable_evaluation() = sums.ToProto();
  return report;
}

StatusOr<proto::StartSessionResponse> FakeWorker::Start(const proto::StartSessionRequest& request) {
  sessions_.push_back(request);
  error_.clear();
  step_ = 0;
  offset_ = 0;
  window_ = 0;
  held_ = false;
  finished_ = false;
  for (const proto::WorkerState& state : request.states()) {
    for (const proto::StreamPosition& position : state.positions()) {
      if (position.partition() == name_) {
        offset_ = position.offset();
      }
    }
  }
  proto::StartSessionResponse response;
  *response.mutable_model() = model_;
  return response;
}

StatusOr<proto::PauseResponse> FakeWorker::Pause(const proto::PauseRequest& request) {
  FRESHET_RETURN_IF_ERROR(CheckEpoch(request.epoch()));
  FRESHET_CHECK(held_);
  pause_step_ = request.step();
  proto::PauseResponse response;
  proto::WorkerState& state = *response.mutable_state();
  state.set_worker(rank_);
  state.set_batches(step_);
  state.set_event_time_watermark_ms(static_cast<int64_t>(1000 + offset_));
  state.set_newest_arrival_ms(static_cast<int64_t>(2000 + offset_));
  state.mutable_evaluation()->set_samples(offset_);
  state.mutable_window()->set_samples(window_);
  proto::StreamPosition& position = *state.add_positions();
  position.set_partition(name_);
  position.set_offset(offset_);
  position.set_samples(offset_);
  position.set_finished(finished_);
  return response;
}

// ---- serving

FakeServing::FakeServing(const Env& env,
                         uint32_t rank,
                         const std::string& coordinator,
                         Journal& journal)
    : FakeMember(env, proto::SERVING, rank, journal) {
  On<proto::VersionNotice, proto::VersionNoticeResponse>(
      rpc::Method::kVersionNotice,
      "notice",
      [this](const auto& request, const Buffer&) -> StatusOr<proto::VersionNoticeResponse> {
        noticed_ = request.version();
        return proto::VersionNoticeResponse();
      });
  Begin(coordinator);
}

FakeServing::~FakeServing() {
  End();
}

void FakeServing::Serve(uint64_t version, int64_t newest_arrival_ms) {
  {
    const std::lock_guard lock(mutex_);
    report_.set_version(version);
    report_.set_newest_arrival_ms(newest_arrival_ms);
  }
  ReportNow();
}

void FakeServing::Refuse() {
  {
    const std::lock_guard lock(mutex_);
    report_.set_refused_versions(report_.refused_versions() + 1);
  }
  ReportNow();
}

uint64_t FakeServing::noticed() const {
  const std::lock_guard lock(mutex_);
  return noticed_;
}

proto::MemberReport FakeServing::Report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace freshet::coordinator
