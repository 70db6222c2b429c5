#pragma once
#include <chrono>
#include <memory>
#include <mutex>

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/rpc/rpc.h"
#include "common/version_log/version_log.h"
#include "proto/ps.pb.h"
#include "ps/metrics.h"
#include "ps/options.h"
#include "ps/owner_thread.h"
#include "ps/session.h"
#include "ps/task_thread.h"

namespace freshet::ps {

// Answers the three requests of a cut. Owner threads copy rows into columns; a thread of the
// service sorts and writes them, a part file for each piece of an owner
// thread's rows. Thread-safety: any thread. What is
// passed to the constructor outlives the service, and the owner threads have ended before the
// service does.
class CutService {
 public:
  CutService(const PsOptions& options,
             CurrentSession& current,
             const OwnerThreads& owners,
             PsMetrics& metrics,
             const Clock& clock,
             FileSystem& files);

  void Register(rpc::Server& server);

  // Writes no more. Before the owner threads end: what writes tells them how far it is.
  void Stop() { writer_.Stop(); }

 private:
  using Parts = std::vector<proto::PartFile>;

  struct PartCollector;

  void Cut(const proto::CutRequest& request, rpc::Responder respond);
  void WriteCut(const proto::WriteCutRequest& request, rpc::Responder respond);
  void EndCut(const proto::EndCutRequest& request, rpc::Responder respond);

  void CopyAndWrite(const std::shared_ptr<PartCollector>& collector);
  // On the writing thread.
  void WritePiece(PartCollector& collector, uint32_t thread, StatusOr<CutPiece> piece);
  Status WriteCold(PartCollector& collector,
                   uint32_t thread,
                   std::span<const std::unique_ptr<ColdColumns>> tables);
  Status WriteContents(PartCollector& collector, uint32_t thread, PartContents contents);
  StatusOr<proto::PartFile> WritePartFile(const PartCollector& collector,
                                          const std::string& name,
                                          PartContents contents);
  static std::string PartName(const PartCollector& collector, uint32_t thread, size_t number);
  static void FinishShard(PartCollector& collector);
  double SecondsSince(std::chrono::nanoseconds start) const;

  CurrentSession& current_;
  const OwnerThreads& owners_;
  PsMetrics& metrics_;
  const Clock& clock_;
  FileSystem& files_;
  const uint64_t piece_bytes_;
  const VersionLog log_;
  std::mutex order_mutex_;  // a change of CutState, and what it posts to the owner threads
  TaskThread writer_;
};

}  // namespace freshet::ps
