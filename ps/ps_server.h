#pragma once
#include <memory>
#include <string>

#include "common/env/env.h"
#include "common/status.h"
#include "ps/options.h"

namespace freshet::ps {

// A parameter server: answers the requests of proto/ps.proto at an address. It holds nothing until
// the first Restore, and needs no coordinator of its own.
// Thread-safety: any thread.
class PsServer {
 public:
  // What `env` refers to outlives the server. InvalidArgument: no owner threads, or too little
  // memory for rows on disk. Otherwise as rpc::Transport::Listen and ColdStore::Open.
  static StatusOr<std::unique_ptr<PsServer>> Start(const PsOptions& options, const Env& env);

  // Answers those who wait with Unavailable; a part being written, or read, is finished first.
  ~PsServer();

  // Of the rpc server, as host:port.
  std::string address() const;

  // As of the last requests.
  uint64_t rows() const;
  uint64_t bytes() const;
  // Of the session; 0 before the first.
  uint64_t epoch() const;

  // In Prometheus' text format.
  std::string MetricsText() const;

 private:
  struct Impl;

  explicit PsServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet::ps
