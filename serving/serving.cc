#include "serving/serving.h"

#include <utility>

namespace freshet::serving {

Serving::Serving(FileSystem& files,
                 const Clock& clock,
                 const ServingOptions& options,
                 std::function<void()> on_served)
    : options_(options),
      metrics_(registry_),
      catalogue_(files, options_.catalogue, store_, metrics_),
      follower_(files, clock, options_.log_directory, store_, metrics_, std::move(on_served)),
      api_(clock, store_, follower_, metrics_) {}

StatusOr<std::unique_ptr<Serving>> Serving::Make(FileSystem& files,
                                                 const Clock& clock,
                                                 const ServingOptions& options,
                                                 std::function<void()> on_served) {
  std::unique_ptr<Serving> serving(new Serving(files, clock, options, std::move(on_served)));
  FRESHET_RETURN_IF_ERROR(serving->catalogue_.Load());
  return serving;
}

void Serving::Start() {
  follower_.Start(options_.poll_every, [this] { catalogue_.Look(); });
}

void Serving::Stop() {
  follower_.Stop();
}

proto::MemberReport Serving::Report() const {
  proto::MemberReport report;
  const ModelStore::ReadGuard snapshot = store_.Acquire();
  report.set_version(snapshot->facts().version.value());
  report.set_newest_arrival_ms(snapshot->facts().newest_arrival_ms);
  report.set_rows(snapshot->weights().rows());
  report.set_bytes(snapshot->weights().bytes());
  report.set_requests(api_.requests());
  report.set_refused_versions(follower_.refused_count());
  return report;
}

}  // namespace freshet::serving
