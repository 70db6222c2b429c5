#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/fuzz/request_input.h"
#include "tests/fuzz/rotated_log.h"
#include "worker/log.h"
#include "worker/receive/sample_source.h"
#include "worker/receive/spool.h"

// An input is how files are rotated (one byte), then what happens, a byte each (Step): to a log, to
// who receives it, and to the machine. In the end each line that was written was received once, and
// the lines of a file in their order; files came in the order in which they were begun, or were
// last written.
//
// With the first byte's lowest bit set, also what a receiver cannot make good may happen to the
// log: it is cut, or a file goes before it was received. Then lines may be missing, and only where
// it was cut may one come twice or in pieces.
namespace freshet::worker {
namespace {

using fuzz::RotatedLog;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr size_t kMostSteps = 160;
constexpr size_t kMostFiles = 24;
constexpr size_t kMostLongLines = 2;
constexpr milliseconds kLinger{1000};

// Runs ahead when somebody sleeps, so that waiting takes few rounds.
class FastClock final : public Clock {
 public:
  nanoseconds now{0};

  nanoseconds Monotonic() const override { return now; }

  int64_t UnixMillis() const override { return 1; }

  void SleepFor(nanoseconds duration) override { now += 20 * duration; }
};

// A disk on which something may happen between two looks at it.
class RacingFiles final : public FileSystem {
 public:
  explicit RacingFiles(FileSystem& disk) : disk_(disk) {}

  void At(unsigned operation, std::function<void()> happens) {
    countdown_ = operation + 1;
    happens_ = std::move(happens);
  }

  StatusOr<std::unique_ptr<ReadableFile>> OpenReadable(const std::string& path) override {
    Count();
    return disk_.OpenReadable(path);
  }

  StatusOr<FileInfo> Stat(const std::string& path) override {
    Count();
    return disk_.Stat(path);
  }

  StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    Count();
    return disk_.List(directory);
  }

  // Who receives a log does not write to its folder.
  StatusOr<std::unique_ptr<WritableFile>> OpenWritable(const std::string& path) override {
    return Internal("writes {}", path);
  }

  Status CreateDirectories(const std::string& path) override { return Internal("{}", path); }

  Status Rename(const std::string& path, const std::string& /*to*/) override {
    return Internal("renames {}", path);
  }

  Status RemoveAll(const std::string& path) override { return Internal("removes {}", path); }

  Status SyncFile(const std::string& path) override { return Internal("syncs {}", path); }

  Status SyncDirectory(const std::string& path) override { return Internal("syncs {}", path); }

 private:
  void Count() {
    if (countdown_ > 0 && --countdown_ == 0) {
      happens_();
    }
  }

  FileSystem& disk_;
  unsigned countdown_ = 0;
  std::function<void()> happens_;
};

// What was received, and may have been killed in between.
class Receiving {
 public:
  Receiving(FileSystem& logs, FastClock& clock) : logs_(logs), clock_(clock) {
    options_.directory = folder_.path();  // on disk lies its lock
    options_.segment_bytes = 40;
    FRESHET_CHECK(CreateDirectoriesDurably(spooled, options_.directory).ok());
  }

  bool running() const { return spool_ != nullptr; }

  void Start() {
    auto spool = Spool::Open(spooled, clock_, options_);
    if (!spool.ok()) {
      FRESHET_CHECK(absl::IsUnavailable(spool.status()));
      Kill();
      return;
    }
    spool_ = *std::move(spool);
    source_ =
        MakeLogSource(logs_, clock_, RotatedLog::path(), spool_->marks(), spool_->stood_at_ns());
  }

  void Kill() {
    source_.reset();
    spool_.reset();
    spooled.FailFrom(std::numeric_limits<uint64_t>::max());
  }

  // One round; true if something came.
  bool Receive() {
    auto received = source_->Receive(milliseconds(50));
    FRESHET_CHECK(received.ok());
    gaps += received->gap ? 1 : 0;
    const bool some = !received->bytes.empty();
    spool_->Put(*std::move(received));
    const Status written = spool_->Write();
    if (!written.ok() || !spool_->KeepHouse().ok()) {
      Kill();
    }
    return some;
  }

  // False: it was killed meanwhile.
  bool Sync() {
    if (!running() || !spool_->Sync().ok()) {
      Kill();
    }
    return running();
  }

  // The whole lines that were received. What stands behind the last line end of a segment was being
  // written when the receiver was killed.
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    const auto names = spooled.List(options_.directory);
    FRESHET_CHECK(names.ok());
    for (const std::string& name : *names) {
      if (name[0] == '_') {
        continue;
      }
      const std::string& text = spooled.Bytes(options_.directory + "/" + name);
      for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos;) {
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
      }
    }
    return lines;
  }

  test::CrashFileSystem spooled;
  unsigned gaps = 0;

 private:
  const TempFolder folder_;
  FileSystem& logs_;
  FastClock& clock_;
  SpoolOptions options_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<SampleSource> source_;
};

enum Step : uint8_t {
  kWrite,
  kWriteLater,
  kWritePiece,
  kRotate,
  kWriteToRotated,
  kKill,
  kReceive,
  kReceiveAll,
  kWait,
  kRemove,
  kCompress,
  kFailDisk,
  kLosePower,
  kRace,
  kCut,
  kCopyAndCut,
  kSteps
};

class Play {
 public:
  explicit Play(uint8_t kind)
      : may_lose_(kind % 2 == 1),
        log_(kind / 2 % 2 == 0 ? RotatedLog::Names::kNumbers : RotatedLog::Names::kDates) {
    log_.disk.reuses_inodes = kind / 4 % 2 == 1;
    Pass(1);
    log_.Write(3, true);
    receiving_.Start();
    ReceiveAll();  // it begins with the file that is there when it first runs
  }

  void Do(uint8_t byte) {
    const auto step = static_cast<Step>(byte % kSteps);
    const unsigned much = byte / kSteps;
    switch (step) {
      case kWriteLater:
        Pass(1);
        [[fallthrough]];
      case kWrite:
        log_.Write(much, true);
        break;
      case kWritePiece:
        log_.Write(IsLong(much) ? 1'100'000 : much, false);
        break;
      case kRotate:
        Rotate(much % 2 == 1);
        break;
      case kWriteToRotated:
        WriteToRotated(much);
        break;
      case kKill:
        receiving_.Kill();
        break;
      case kReceive:
        Receive();
        break;
      case kReceiveAll:
        ReceiveAll();
        break;
      case kWait:
        Pass(much);
        break;
      case kRemove:
      case kCompress:
        Remove(step == kCompress, much);
        break;
      case kFailDisk:
        receiving_.spooled.FailFrom(receiving_.spooled.operations() + much);
        break;
      case kLosePower:
        LosePower();
        break;
      case kRace:
        logs_.At(much, [this] {
          Rotate(false);
          log_.Write(2, true);
        });
        break;
      case kCut:
      case kCopyAndCut:
        Cut(step == kCopyAndCut, much);
        break;
      case kSteps:
        break;
    }
  }

  void End() {
    log_.Write(1, true);
    log_.Rotate(clock_.now);  // so that no line is unfinished
    log_.Create();
    receiving_.spooled.FailFrom(std::numeric_limits<uint64_t>::max());
    ReceiveAll();
    Check(receiving_.Lines());
  }

 private:
  void Pass(unsigned time) {
    log_.disk.now_ns += time;
    receiving_.spooled.now_ns = log_.disk.now_ns;
    clock_.now += milliseconds(100) * time;
  }

  bool IsLong(unsigned much) { return much == 15 && long_lines_++ < kMostLongLines; }

  void Rotate(bool create) {
    if (log_.files.size() < kMostFiles) {
      log_.Rotate(clock_.now);
    }
    if (create) {
      log_.Create();
    }
  }

  // Who has a file open goes on writing to it, for a while.
  void WriteToRotated(unsigned much) {
    const size_t rotated = log_.files.size() - (log_.has_log() ? 2 : 1);
    if (rotated >= log_.files.size() || log_.files[rotated].path.empty()) {
      return;
    }
    RotatedLog::File& file = log_.files[rotated];
    if (clock_.now - file.rotated_at < kLinger) {
      log_.AppendTo(file, much, much % 3 != 0);
    } else if (may_lose_) {
      log_.AppendTo(file, much, much % 3 != 0);
      lost_ = broken_ = true;
    }
  }

  void Receive() {
    if (!receiving_.running()) {
      receiving_.Start();
    } else {
      receiving_.Receive();
    }
  }

  void ReceiveAll() {
    const size_t patience = 15 * (log_.files.size() + 2);
    for (size_t quiet = 0; quiet < patience; ++quiet) {
      if (!receiving_.running()) {
        receiving_.Start();
      } else if (receiving_.Receive()) {
        quiet = 0;
      }
    }
  }

  void LosePower() {
    receiving_.Kill();
    std::mt19937_64 random(++power_losses_);
    receiving_.spooled.Crash(random);
  }

  // What was received, or, if it may, any.
  void Remove(bool compresses, unsigned much) {
    if (log_.files.size() >= kMostFiles || !receiving_.Sync()) {
      return;
    }
    const std::vector<std::string> lines = receiving_.Lines();
    FRESHET_CHECK(!lines.empty());
    const std::set<std::string> received(lines.begin(), lines.end());
    const auto is_received = [&](const RotatedLog::File& file) {
      const std::vector<std::string> its = RotatedLog::LinesOf(file);
      return !its.empty() && its.back() != lines.back() &&
             std::ranges::all_of(its, [&](const auto& line) { return received.contains(line); });
    };
    std::vector<RotatedLog::File*> candidates;
    for (RotatedLog::File& file : log_.files) {
      if (!file.path.empty() && (may_lose_ || (file.path != log_.path() && is_received(file)))) {
        candidates.push_back(&file);
      }
    }
    if (candidates.empty()) {
      return;
    }
    RotatedLog::File& file = *candidates[much % candidates.size()];
    lost_ = lost_ || !is_received(file);
    broken_ = broken_ || file.text.empty() || file.text.back() != '\n';
    if (compresses) {
      constexpr const char* kSuffixes[] = {".gz", ".zst", ".xz", ".bz2"};
      log_.Compress(file, kSuffixes[much % std::size(kSuffixes)]);
    } else {
      log_.Remove(file);
    }
  }

  void Cut(bool copies, unsigned much) {
    if (!may_lose_ || !log_.has_log()) {
      return;
    }
    if (copies) {
      log_.disk.Append(log_.path() + ".1-copy", log_.files.back().text);
    }
    log_.Cut(copies ? 0 : log_.files.back().text.size() * much / 16);
    lost_ = broken_ = twice_ = true;
  }

  void Check(const std::vector<std::string>& lines) const {
    FRESHET_CHECK(may_lose_ || receiving_.gaps == 0);
    std::map<std::string, size_t> file_of;
    std::vector<std::vector<std::string>> written;
    for (const RotatedLog::File& file : log_.files) {
      written.push_back(RotatedLog::LinesOf(file));
      for (const std::string& line : written.back()) {
        FRESHET_CHECK(file_of.emplace(line, written.size() - 1).second || broken_);
      }
    }
    std::vector<std::vector<std::string>> received(written.size());
    std::vector<size_t> order;
    for (const std::string& line : lines) {
      const auto file = file_of.find(line);
      FRESHET_CHECK(broken_ || file != file_of.end());
      if (file == file_of.end()) {
        continue;
      }
      received[file->second].push_back(line);
      if (order.empty() || order.back() != file->second) {
        order.push_back(file->second);
      }
    }
    if (getenv("DBG"))
      for (size_t i = 0; i < written.size(); ++i) {
        fprintf(stderr, "file %zu mt %ld: ", i, log_.files[i].modified_ns);
        for (auto& l : written[i]) fprintf(stderr, "[%.20s]", l.c_str());
        fprintf(stderr, "  got ");
        for (auto& l : received[i]) fprintf(stderr, "[%.20s]", l.c_str());
        fprintf(stderr, "\n");
      }
    if (!lost_) {
      FRESHET_CHECK(received == written);
      CheckOrder(order);
    }
    if (!twice_) {
      for (std::vector<std::string>& its : received) {
        std::ranges::sort(its);
        FRESHET_CHECK(std::ranges::adjacent_find(its) == its.end());
      }
    }
  }

  void CheckOrder(const std::vector<size_t>& order) const {
    FRESHET_CHECK(std::set<size_t>(order.begin(), order.end()).size() == order.size());
    for (size_t i = 1; i < order.size(); ++i) {
      FRESHET_CHECK(order[i - 1] < order[i] ||
                    log_.files[order[i - 1]].modified_ns <= log_.files[order[i]].modified_ns);
    }
  }

  const bool may_lose_;
  FastClock clock_;
  RotatedLog log_;
  RacingFiles logs_{log_.disk};
  Receiving receiving_{logs_, clock_};
  size_t long_lines_ = 0;
  uint64_t power_losses_ = 0;
  // What has happened:
  bool lost_ = false;    // lines may be missing
  bool twice_ = false;   // and come twice
  bool broken_ = false;  // and be in pieces
};

void Run(std::span<const uint8_t> input) {
  static const bool quiet = [] {
    Log().set_level(spdlog::level::off);
    return true;
  }();
  FRESHET_CHECK(quiet);
  const std::span<const uint8_t> kind = fuzz::Take(input, 1);
  Play play(kind.empty() ? 0 : kind[0]);
  for (const uint8_t byte : fuzz::Take(input, kMostSteps)) {
    play.Do(byte);
  }
  play.End();
}

}  // namespace
}  // namespace freshet::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::worker::Run({data, size});
  return 0;
}
