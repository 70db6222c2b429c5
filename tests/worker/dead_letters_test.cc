#include "worker/dead_letters.h"

#include "tests/common/cluster/temp_folder.h"
#include "tests/worker/fixture.h"
#include "worker/partition_source.h"

namespace freshet::worker {
namespace {

std::string FileText(const std::string& path) {
  return ReadFile(LocalFileSystem(), path).value();
}

TEST_CASE("a dead letter says what, where and why", "[worker]") {
  const TempFolder folder;
  const std::string path = folder.path() + "/dead/part-0.csv.jsonl";
  {
    auto letters =
        DeadLetters::Open(LocalFileSystem(), folder.path() + "/dead", "part-0.csv", 0).value();
    REQUIRE(letters->Add(10, "no \"label\"", "a,\xff\tb\\").ok());
    REQUIRE(letters->Add(20, "short", "").ok());
  }
  CHECK(FileText(path) == R"({"partition":"part-0.csv","offset":10,"reason":"no \"label\"",)"
                          R"("record":"a,\u00ff\u0009b\\"})"
                          "\n"
                          R"({"partition":"part-0.csv","offset":20,"reason":"short","record":""})"
                          "\n");
  // A session that begins before the second one finds it again.
  {
    auto letters =
        DeadLetters::Open(LocalFileSystem(), folder.path() + "/dead", "part-0.csv", 20).value();
    REQUIRE(letters->Add(20, "short", "").ok());
  }
  const std::string text = FileText(path);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  // What a crash cut off is dropped.
  {
    auto file = LocalFileSystem().OpenWritable(path).value();
    const std::string cut = text.substr(0, text.size() - 5);
    REQUIRE(file->Append(std::as_bytes(std::span(cut))).ok());
  }
  REQUIRE(DeadLetters::Open(LocalFileSystem(), folder.path() + "/dead", "part-0.csv", 99).ok());
  const std::string kept = FileText(path);
  CHECK(std::count(kept.begin(), kept.end(), '\n') == 1);
}

}  // namespace
}  // namespace freshet::worker
