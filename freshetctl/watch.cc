#include "freshetctl/watch.h"

#include <charconv>
#include <chrono>
#include <string_view>
#include <vector>

#include "common/cluster/broken_sessions.h"
#include "freshetctl/coordinator_client.h"
#include "freshetctl/format.h"
#include "freshetctl/status_text.h"

namespace freshet::freshetctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds kAskEvery{200};
constexpr milliseconds kAnswerTimeout{2000};
constexpr milliseconds kLineEvery{1000};
constexpr milliseconds kRateOver{1000};  // samples/s is a mean over at least this time

// Turns the counts seen into samples per second.
class Rate {
 public:
  void Observe(nanoseconds now, uint64_t samples) {
    // A rewind takes samples back: begin anew.
    if (!begin_ || samples < begin_samples_) {
      begin_ = now;
      begin_samples_ = samples;
      return;
    }
    if (now - *begin_ >= kRateOver) {
      const double seconds = std::chrono::duration<double>(now - *begin_).count();
      per_second_ = static_cast<double>(samples - begin_samples_) / seconds;
      begin_ = now;
      begin_samples_ = samples;
    }
  }

  double per_second() const { return per_second_; }

 private:
  std::optional<nanoseconds> begin_;
  uint64_t begin_samples_ = 0;
  double per_second_ = -1.0;
};

// Draws to a terminal, or prints a line now and then.
class Screen {
 public:
  Screen(const Context& context, bool quiet) : context_(context), quiet_(quiet) {}

  void Show(nanoseconds now, const StatusOr<proto::StatusResponse>& status, double rate) {
    if (quiet_) {
      return;
    }
    if (!context_.terminal && shown_at_ && now - *shown_at_ < kLineEvery) {
      return;
    }
    shown_at_ = now;
    if (context_.terminal) {
      Draw(status.ok() ? StatusLines(*status, rate)
                       : std::vector<std::string>{MessageOf(status.status())});
    } else {
      Print(status, rate);
    }
  }

  // What was reached at the end is shown, however short the time since the line before.
  void ShowLast(nanoseconds now, const StatusOr<proto::StatusResponse>& status, double rate) {
    if (shown_at_ != now) {
      shown_at_.reset();
      Show(now, status, rate);
    }
  }

 private:
  void Draw(const std::vector<std::string>& lines) {
    if (drawn_ > 0) {
      context_.out << "\x1b[" << drawn_ << "A";
    }
    for (const std::string& line : lines) {
      context_.out << line << "\x1b[K\n";
    }
    context_.out << "\x1b[J" << std::flush;
    drawn_ = lines.size();
  }

  void Print(const StatusOr<proto::StatusResponse>& status, double rate) {
    if (status.ok()) {
      context_.out << StatusLine(*status, rate) << std::endl;
    } else {
      context_.err << MessageOf(status.status()) << std::endl;
    }
  }

  const Context& context_;
  const bool quiet_;
  size_t drawn_ = 0;
  std::optional<nanoseconds> shown_at_;
};

// Training that breaks off as soon as it begins is seen by chance only: it must be seen twice in
// one epoch.
class SteadyTraining {
 public:
  bool Has(const proto::StatusResponse& status) {
    const bool again = epoch_ == status.epoch();
    epoch_ = status.epoch();
    return again || status.phase() == proto::StatusResponse::FINISHED;
  }

 private:
  std::optional<uint64_t> epoch_;  // in which training was seen last
};

Status TimedOut(int64_t timeout_ms, const StatusOr<proto::StatusResponse>& status) {
  if (!status.ok()) {
    return DeadlineExceeded(
        "not reached within {}: {}", Duration(timeout_ms), MessageOf(status.status()));
  }
  return DeadlineExceeded("not reached within {}: the cluster is {}{}{}, at version {}, served {}",
                          Duration(timeout_ms),
                          PhaseName(status->phase()),
                          status->waiting_for().empty() ? "" : " and waits for ",
                          status->waiting_for(),
                          status->version(),
                          status->served_version());
}

}  // namespace

StatusOr<Goal> Goal::Parse(const std::string& text) {
  if (text == "training") {
    return Goal{.kind = Kind::kTraining};
  }
  if (text == "finished") {
    return Goal{.kind = Kind::kFinished};
  }
  for (const auto& [prefix, kind] : {std::pair(std::string_view("version="), Kind::kVersion),
                                     std::pair(std::string_view("served="), Kind::kServed)}) {
    if (!text.starts_with(prefix)) {
      continue;
    }
    Goal goal{.kind = kind};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + prefix.size(), end, goal.version);
    if (error == std::errc() && stop == end) {
      return goal;
    }
  }
  return InvalidArgument("'{}' is no state: training, finished, version=N or served=N", text);
}

bool Goal::ReachedBy(const proto::StatusResponse& status) const {
  switch (kind) {
    case Kind::kTraining:
      return status.phase() == proto::StatusResponse::TRAINING ||
             status.phase() == proto::StatusResponse::FINISHED;
    case Kind::kFinished:
      return status.phase() == proto::StatusResponse::FINISHED;
    case Kind::kVersion:
      return status.version() >= version;
    case Kind::kServed:
      return status.served_version() >= version;
  }
  return false;
}

Outcome Watch(const Context& context, const Target& target, const WatchOptions& options) {
  CoordinatorClient coordinator(context.env, target);
  Clock& clock = context.env.clock;
  Screen screen(context, options.quiet);
  Rate rate;
  SteadyTraining steady;
  BrokenSessions broken;
  const bool for_training = options.until && options.until->kind == Goal::Kind::kTraining;
  const nanoseconds begin = clock.Monotonic();
  while (true) {
    const auto status = coordinator.Call<proto::StatusResponse>(
        rpc::Method::kStatus, proto::StatusRequest(), kAnswerTimeout);
    const nanoseconds now = clock.Monotonic();
    if (status.ok()) {
      rate.Observe(now, status->samples());
    }
    screen.Show(now, status, rate.per_second());
    const bool reached = status.ok() && options.until && options.until->ReachedBy(*status) &&
                         (!for_training || steady.Has(*status));
    if (reached) {
      screen.ShowLast(now, status, rate.per_second());
      return {};
    }
    if (for_training && status.ok()) {
      FRESHET_RETURN_IF_ERROR(broken.Check(*status));
    }
    if (options.timeout_ms && now - begin >= milliseconds(*options.timeout_ms)) {
      return TimedOut(*options.timeout_ms, status);
    }
    clock.SleepFor(kAskEvery);
  }
}

}  // namespace freshet::freshetctl
