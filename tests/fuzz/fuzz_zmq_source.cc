#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/check.h"
#include "common/stream/stream.h"
#include "tests/common/cluster/temp_folder.h"
#include "tests/common/stream/memory_files.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/fuzz/request_input.h"
#include "tests/fuzz/zmtp_peer.h"
#include "worker/receive/sample_source.h"
#include "worker/receive/spool.h"

// An input is of what records are and into how many partitions they go (one byte), then what a
// sender does, each step a byte: it sends a part of a message, which follows behind its length
// (request_input.h), bytes that are no message, or waits until what it has sent is received; the
// receiver may be started anew meanwhile. Each part of a whole message is a record of the stream,
// up to the first part that is too long, or bytes that are none.
namespace freshet::worker {
namespace {

using Framing = FileStreamOptions::Framing;
using std::chrono::milliseconds;

constexpr uint64_t kMaxRecordBytes = 64;
// As long as a record with CRLF may be.
constexpr size_t kMaxPartBytes = kMaxRecordBytes + 2;

std::string TextOf(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A socket that stays, as it takes long to make one.
class Socket {
 public:
  explicit Socket(Framing framing) {
    auto source = MakeZmqSource({.from = ReceiveSettings::From::kZmq, .address = "ipc://" + path()},
                                framing,
                                kMaxRecordBytes);
    FRESHET_CHECK(source.ok());
    source_ = *std::move(source);
  }

  std::string path() const { return folder_.path() + "/socket"; }

  Received Receive() {
    auto received = source_->Receive(milliseconds(0));
    FRESHET_CHECK(received.ok() && !received->ended && !received->gap);
    return *std::move(received);
  }

 private:
  const TempFolder folder_;
  std::unique_ptr<SampleSource> source_;
};

// The stream that comes of what is received.
class Receiving {
 public:
  Receiving(Socket& socket, Framing framing, uint32_t partitions)
      : socket_(socket), framing_(framing) {
    options_.directory = folder_.path();  // on disk lies its lock
    options_.framing = framing;
    options_.partitions = partitions;
    options_.segment_bytes = 100;
    FRESHET_CHECK(files_.CreateDirectories(options_.directory).ok());
    Restart();
  }

  void Restart() {
    spool_.reset();
    auto spool = Spool::Open(files_, clock_, options_);
    FRESHET_CHECK(spool.ok());
    spool_ = *std::move(spool);
  }

  // One round; true if something came.
  bool Receive() {
    Received received = socket_.Receive();
    const bool some = !received.bytes.empty();
    spool_->Put(std::move(received));
    FRESHET_CHECK(spool_->Write().ok());
    return some;
  }

  std::vector<std::string> Records() {
    FRESHET_CHECK(spool_->Complete().ok());
    const auto stream = MakeFileStream(
        files_,
        clock_,
        {.path = options_.directory, .max_record_bytes = kMaxRecordBytes, .framing = framing_});
    std::vector<std::string> records;
    const auto names = stream->Partitions();
    FRESHET_CHECK(names.ok());
    for (const std::string& name : *names) {
      const auto reader = stream->Open(name, 0);
      FRESHET_CHECK(reader.ok());
      Record record;
      for (auto next = (*reader)->Next(&record); next.value() == ReadResult::kRecord;
           next = (*reader)->Next(&record)) {
        records.emplace_back(record.bytes);
      }
    }
    return records;
  }

 private:
  Socket& socket_;
  const Framing framing_;
  const TempFolder folder_;
  SpoolOptions options_;
  test::CrashFileSystem files_;
  freshet::test::StoppedClock clock_;
  std::unique_ptr<Spool> spool_;
};

// What a part is in the stream.
void AddRecords(Framing framing, std::string_view part, std::vector<std::string>* records) {
  const auto add = [records](std::string_view record) {
    records->emplace_back(record.size() <= kMaxRecordBytes ? record : std::string_view());
  };
  if (framing == Framing::kMessages) {
    add(part);
    return;
  }
  while (!part.empty()) {
    const size_t end = std::min(part.find('\n'), part.size());
    const std::string_view line = part.substr(0, end);
    add(line.ends_with('\r') ? line.substr(0, end - 1) : line);
    part.remove_prefix(std::min(part.size(), end + 1));
  }
}

class Sender {
 public:
  Sender(Framing framing, const std::string& path) : framing_(framing), peer_(path) {}

  enum Step : uint8_t { kPart, kPartAndMore, kLongPart, kGreet, kBytes, kWait, kRestart, kSteps };

  void Do(Step step, std::span<const uint8_t>& input, Receiving& receiving) {
    switch (step) {
      case kPart:
      case kPartAndMore:
      case kLongPart:
        SendPart(TextOf(fuzz::TakeCounted(input)), step == kPartAndMore, step == kLongPart);
        break;
      case kGreet:
        Greet();
        break;
      case kBytes:
        understood_ = false;
        peer_.Send(TextOf(fuzz::TakeCounted(input)));
        break;
      case kWait:
        receiving.Receive();
        break;
      case kRestart:
        receiving.Restart();
        break;
      case kSteps:
        break;
    }
  }

  void End() { peer_.End(); }

  // Whether all is known that must be received.
  bool understood() const { return understood_; }

  const std::vector<std::string>& records() const { return records_; }

 private:
  void Greet() {
    peer_.Greet(understood_ && !greeted_);
    understood_ = understood_ && !greeted_;
    greeted_ = true;
  }

  void SendPart(const std::string& part, bool more, bool is_long) {
    if (!greeted_) {
      Greet();
    }
    peer_.SendPart(part, more, is_long);
    refused_ = refused_ || part.size() > kMaxPartBytes;
    if (refused_ || !understood_) {
      return;
    }
    AddRecords(framing_, part, &unfinished_);
    if (!more) {
      records_.insert(records_.end(), unfinished_.begin(), unfinished_.end());
      unfinished_.clear();
    }
  }

  const Framing framing_;
  fuzz::ZmtpPeer peer_;
  bool greeted_ = false;
  bool refused_ = false;
  bool understood_ = true;
  std::vector<std::string> unfinished_;  // of a message of which parts are to come
  std::vector<std::string> records_;
};

void Run(std::span<const uint8_t> input) {
  const std::span<const uint8_t> head = fuzz::Take(input, 1);
  const uint8_t kind = head.empty() ? 0 : head[0];
  const Framing framing = kind % 2 == 0 ? Framing::kLines : Framing::kMessages;
  const uint32_t partitions = 1 + kind / 2 % 3;
  static Socket of_lines(Framing::kLines);
  static Socket of_messages(Framing::kMessages);
  Socket& socket = framing == Framing::kLines ? of_lines : of_messages;

  Receiving receiving(socket, framing, partitions);
  Sender sender(framing, socket.path());
  while (!input.empty()) {
    const uint8_t byte = fuzz::Take(input, 1)[0];
    sender.Do(static_cast<Sender::Step>(byte % Sender::kSteps), input, receiving);
  }
  sender.End();
  while (receiving.Receive()) {
  }
  std::vector<std::string> received = receiving.Records();
  std::vector<std::string> expected = sender.records();
  if (partitions > 1) {
    std::ranges::sort(received);
    std::ranges::sort(expected);
  }
  FRESHET_CHECK(!sender.understood() || received == expected);
}

}  // namespace
}  // namespace freshet::worker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::worker::Run({data, size});
  return 0;
}
