#include "ps/ps_server.h"

#include <optional>
#include <utility>

#include "ps/admin_service.h"
#include "ps/announce_service.h"
#include "ps/cut_service.h"
#include "ps/metrics.h"
#include "ps/owner_thread.h"
#include "ps/restore_service.h"
#include "ps/session.h"
#include "ps/storage.h"
#include "ps/training_service.h"

namespace freshet::ps {
namespace {

OwnerThreads StartOwners(const PsOptions& options, ColdStore* store) {
  ShardStorage storage = ShareOf(options.storage, options.owner_threads);
  storage.store = store;
  OwnerThreads owners;
  for (uint32_t thread = 0; thread < options.owner_threads; ++thread) {
    owners.push_back(std::make_unique<OwnerThread>(thread, storage));
  }
  return owners;
}

}  // namespace

struct PsServer::Impl {
  Impl(const PsOptions& options, const Env& env, std::unique_ptr<ColdStore> cold)
      : transport(env.transport),
        store(std::move(cold)),
        owners(StartOwners(options, store.get())),
        training(options, current, owners, metrics, env.clock),
        announce(options, current, owners, metrics),
        admin(current, owners, metrics),
        cut(options, current, owners, metrics, env.clock, env.files) {
    restore.emplace(options, current, owners, store.get(), metrics, env.clock, env.files);
  }

  // Ends those first that need the others: handlers, then the restore, which waits for owners, and
  // what writes cuts, which posts to them, then the owners, whose tasks refer to the services.
  ~Impl() {
    current.Stop();
    server.reset();
    restore.reset();
    cut.Stop();
    owners.clear();
  }

  const rpc::Transport& transport;
  const std::unique_ptr<ColdStore> store;  // null: all rows are in memory. First: goes last
  PsMetrics metrics;
  CurrentSession current;
  OwnerThreads owners;
  TrainingService training;
  AnnounceService announce;
  AdminService admin;
  CutService cut;
  std::optional<RestoreService> restore;
  std::unique_ptr<rpc::Server> server;
};

StatusOr<std::unique_ptr<PsServer>> PsServer::Start(const PsOptions& options, const Env& env) {
  if (options.owner_threads == 0) {
    return InvalidArgument("a parameter server needs at least one owner thread");
  }
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<ColdStore> store, OpenStore(options.storage));
  FRESHET_ASSIGN_OR_RETURN(std::unique_ptr<rpc::Server> server,
                           env.transport.Listen(options.listen));
  auto impl = std::make_unique<Impl>(options, env, std::move(store));
  impl->server = std::move(server);
  impl->training.Register(*impl->server);
  impl->announce.Register(*impl->server);
  impl->admin.Register(*impl->server);
  impl->cut.Register(*impl->server);
  impl->restore->Register(*impl->server);
  impl->server->Start();
  return std::unique_ptr<PsServer>(new PsServer(std::move(impl)));
}

PsServer::PsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PsServer::~PsServer() = default;

std::string PsServer::address() const {
  return impl_->server->address();
}

uint64_t PsServer::rows() const {
  uint64_t rows = 0;
  for (const auto& owner : impl_->owners) {
    rows += owner->rows();
  }
  return rows;
}

uint64_t PsServer::bytes() const {
  uint64_t bytes = 0;
  for (const auto& owner : impl_->owners) {
    bytes += owner->bytes();
  }
  return bytes;
}

uint64_t PsServer::epoch() const {
  const std::shared_ptr<Session> session = impl_->current.Get();
  return session == nullptr ? 0 : session->epoch().value();
}

std::string PsServer::MetricsText() const {
  impl_->metrics.rows.Set(static_cast<double>(rows()));
  impl_->metrics.bytes.Set(static_cast<double>(bytes()));
  uint64_t cold_rows = 0;
  uint64_t candidates = 0;
  EvictedRows evicted;
  for (const auto& owner : impl_->owners) {
    cold_rows += owner->cold_rows();
    candidates += owner->candidates();
    evicted += owner->evicted();
  }
  impl_->metrics.candidates.Set(static_cast<double>(candidates));
  impl_->metrics.SetEvicted(evicted);
  impl_->metrics.SetBadFrames(impl_->transport.bad_frames());
  if (impl_->store != nullptr) {
    impl_->metrics.SetStorage(cold_rows, *impl_->store);
  }
  return impl_->metrics.Text();
}

}  // namespace freshet::ps
