#include <cstdint>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "common/metrics/metrics.h"
#include "common/rpc/typed.h"
#include "common/version_log/checksum.h"
#include "common/version_log/compaction.h"
#include "common/version_log/manifest_file.h"
#include "common/version_log/retention.h"
#include "common/version_log/version_log.h"
#include "freshetctl/command_line.h"
#include "proto/ps.pb.h"
#include "ps/ps_server.h"
#include "serving/log_follower.h"
#include "tests/common/stream/memory_files.h"
#include "tests/common/version_log/crash_file_system.h"
#include "tests/fuzz/request_input.h"

// An input is the files of a version log: for each one byte, which file, and its bytes behind their
// length (request_input.h). Unless that byte's highest bit is set, checksums are made right: those
// of a manifest and of what it says of its parts, and that of a compaction's progress. Whatever
// lies there, those who read a log get a version, or a reason why not: the log itself, compaction,
// retention, serving, a parameter server that restores, and freshetctl.
namespace freshet {
namespace {

constexpr char kLog[] = "log";
constexpr uint64_t kVersions = 3;
constexpr const char* kNames[] = {"000000000001/manifest.json",
                                  "000000000002/manifest.json",
                                  "000000000003/manifest.json",
                                  "000000000002/base.json",
                                  "000000000003/base.json",
                                  "000000000002/base.progress",
                                  "000000000003/base.progress",
                                  "000000000001/part",
                                  "000000000002/part",
                                  "000000000003/part",
                                  "000000000002/base-0",
                                  "000000000003/base-0",
                                  "pins/000000000001",
                                  "pins/000000000002",
                                  "000000000002/manifest.retired",
                                  "000000000004/part"};

class FuzzedLog {
 public:
  explicit FuzzedLog(std::span<const uint8_t> input) {
    for (const char* const name : kNames) {
      FRESHET_CHECK(files_.CreateDirectories(PathOf(DirectoryOf(name))).ok());
    }
    while (!input.empty()) {
      const uint8_t byte = fuzz::Take(input, 1)[0];
      const std::span<const uint8_t> bytes = fuzz::TakeCounted(input);
      const std::string name = kNames[byte % 0x80 % std::size(kNames)];
      Write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      if (byte < 0x80) {
        to_mend_.push_back(name);
      }
    }
    for (const std::string& name : to_mend_) {
      if (name.ends_with(".json")) {
        MendManifest(name);
      } else if (name.ends_with(".progress")) {
        const std::string bytes = files_.Bytes(PathOf(name));
        Write(name, Xxh3Hex(bytes) + bytes);
      }
    }
  }

  test::CrashFileSystem& files() { return files_; }

 private:
  static std::string PathOf(const std::string& name) { return std::string(kLog) + "/" + name; }

  static std::string DirectoryOf(const std::string& name) { return name.substr(0, name.find('/')); }

  void Write(const std::string& name, const std::string& bytes) {
    FRESHET_CHECK(files_.OpenWritable(PathOf(name)).ok());
    files_.Bytes(PathOf(name)) = bytes;
  }

  void MendManifest(const std::string& name) {
    const std::string json = files_.Bytes(PathOf(name));
    const std::string whole = R"({"xxh3":")" + Xxh3Hex(json) + R"(","manifest":)" + json + "}\n";
    Write(name, whole);
    auto manifest = ParseManifest(name, whole, VersionId(std::stoull(DirectoryOf(name))));
    if (!manifest.ok()) {
      return;
    }
    for (proto::PartFile& part : *manifest->mutable_parts()) {
      MendPart(PathOf(DirectoryOf(name)) + "/" + part.name(), &part);
    }
    if (const auto mended = SerializeManifest(*manifest); mended.ok()) {
      Write(name, *mended);
    }
  }

  void MendPart(const std::string& path, proto::PartFile* part) {
    if (!files_.Stat(path).ok()) {
      return;
    }
    const std::string& bytes = files_.Bytes(path);
    uint64_t length = 0;
    part->set_bytes(bytes.size());
    if (bytes.size() >= sizeof(length)) {
      std::memcpy(&length, bytes.data(), sizeof(length));
      if (length <= bytes.size() - sizeof(length)) {
        part->set_header_xxh3(Xxh3Hex(std::string_view(bytes).substr(0, sizeof(length) + length)));
      }
    }
  }

  test::CrashFileSystem files_;
  std::vector<std::string> to_mend_;
};

void CheckSaid(const Status& status) {
  FRESHET_CHECK(status.ok() || !status.message().empty());
}

// Whether the newest version can be restored.
bool Read(test::CrashFileSystem& files, const VersionLog& log, VersionId newest) {
  bool good = false;
  for (uint64_t number = 1; number <= kVersions + 1; ++number) {
    const VersionId version(number);
    CheckSaid(log.ReadManifest(version).status());
    CheckSaid(log.ReadBase(version).status());
    CheckSaid(UnfinishedCompaction(files, log, version).status());
    const Status verified = log.Verify(version);
    CheckSaid(verified);
    const auto nothing = [](const proto::Manifest&, const PartContents&) {
      return absl::OkStatus();
    };
    const Status read = ForEachPart(files, log, version, PartColumns::kAll, nothing);
    FRESHET_CHECK(!read.ok() || verified.ok());
    good |= read.ok() && version == newest;
  }
  LogFacts facts(log);
  const auto pins = log.Pins();
  FRESHET_CHECK(pins.ok());
  CheckSaid(facts.Refresh());
  (void)Removable(facts.all(), *pins, {.keep_versions = 1, .keep_for_ms = 1}, 1'800'000'000'000);
  return good;
}

void Serve(FileSystem& files) {
  test::StoppedClock clock;
  Metrics registry;
  serving::ServingMetrics metrics(registry);
  serving::ModelStore store;
  serving::LogFollower follower(files, clock, kLog, store, metrics);
  follower.Poll();
  FRESHET_CHECK(follower.problem().empty() || store.Acquire()->facts().version < VersionId(5));
}

void Restore(FileSystem& files, VersionId version) {
  const auto transport = rpc::MakeInProcessTransport();
  const Env env{SystemClock(), SystemRandom(), files, *transport};
  ps::PsOptions options;
  options.listen = "ps";
  options.log_directory = kLog;
  const auto server = ps::PsServer::Start(options, env);
  FRESHET_CHECK(server.ok());
  const auto channel = transport->Connect((*server)->address());
  proto::RestoreRequest request;
  request.set_epoch(1);
  request.set_servers(1);
  request.set_workers(1);
  request.set_partition_count(8);
  request.set_version(version.value());
  CheckSaid(rpc::CallAndWait<proto::RestoreResponse>(
                *channel, rpc::Method::kRestore, request, fuzz::Call::kPatience)
                .status());
}

void Print(FileSystem& files) {
  const auto transport = rpc::MakeInProcessTransport();
  const Env env{SystemClock(), SystemRandom(), files, *transport};
  const std::vector<std::vector<std::string>> commands = {{"versions", "list"},
                                                          {"versions", "list", "--json"},
                                                          {"versions", "show"},
                                                          {"versions", "verify", "--all"},
                                                          {"versions", "diff", "1", "3"},
                                                          {"dump"},
                                                          {"export", "emb", "--metadata"}};
  for (std::vector<std::string> arguments : commands) {
    arguments.insert(arguments.end(), {"--log-dir", kLog});
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const int code = freshetctl::Run(arguments, {.env = env, .in = in, .out = out, .err = err});
    FRESHET_CHECK(code == 0 || !err.str().empty());
  }
}

void Run(std::span<const uint8_t> input) {
  FuzzedLog fuzzed(input);
  test::CrashFileSystem& files = fuzzed.files();
  VersionLog log(files, kLog);
  const auto newest = log.Newest();
  FRESHET_CHECK(log.List().ok() && newest.ok() && log.LargestUsed().value() == VersionId(4));
  const bool good = Read(files, log, *newest);
  Serve(files);
  Restore(files, *newest);
  Print(files);
  const auto compacted = Compact(files, log, *newest, [] { return absl::OkStatus(); });
  CheckSaid(compacted.status());
  if (good && compacted.ok()) {
    FRESHET_CHECK(log.Verify(*newest).ok());
    FRESHET_CHECK(log.Chain(*newest)->size() == 1);
  }
}

}  // namespace
}  // namespace freshet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::Run({data, size});
  return 0;
}
