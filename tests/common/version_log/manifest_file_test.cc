#include "common/version_log/manifest_file.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "common/version_log/checksum.h"
#include "tests/common/version_log/manifests.h"

namespace freshet::test {
namespace {

constexpr char kPath[] = "log/000000000007/manifest.json";

std::string Wrap(const std::string& inner) {
  return R"({"xxh3":")" + Xxh3Hex(inner) + R"(","manifest":)" + inner + "}\n";
}

StatusOr<proto::Manifest> Parse(const std::string& content) {
  return ParseManifest(kPath, content, VersionId(7));
}

std::string Serialized() {
  const auto content = SerializeManifest(SmallManifest(7, 5));
  INFO(content.status().ToString());
  REQUIRE(content.ok());
  return *content;
}

TEST_CASE("a manifest comes back from its file in every bit", "[version_log]") {
  const auto manifest = Parse(Serialized());
  INFO(manifest.status().ToString());
  REQUIRE(manifest.ok());
  CHECK(manifest->SerializeAsString() == SmallManifest(7, 5).SerializeAsString());
}

// On x86, 0 / 0 has its sign bit set.
TEST_CASE("a manifest whose scores are any kind of NaN or zero is written", "[version_log]") {
  const auto odd = std::bit_cast<double>(0xfff8000000000001U);
  proto::Manifest manifest = SmallManifest(7, 5);
  manifest.mutable_metrics()->set_auc(odd);
  proto::Evaluation& window = *manifest.mutable_workers(0)->mutable_window();
  window.set_log_loss_sum(-__builtin_nan(""));
  window.add_slices()->set_label_sum(odd);
  window.add_group_predictions(-__builtin_nanf(""));
  manifest.mutable_model()->mutable_embedding_variables(0)->mutable_initializers(0)->set_scale(
      -__builtin_nanf(""));
  manifest.mutable_metrics()->set_log_loss(-0.0);
  const auto content = SerializeManifest(manifest);
  INFO(content.status().ToString());
  REQUIRE(content.ok());
  const auto back = Parse(*content);
  REQUIRE(back.ok());
  CHECK(back->metrics().log_loss() == 0.0);
  CHECK(std::isnan(back->metrics().auc()));
  CHECK(std::isnan(back->workers(0).window().log_loss_sum()));
  CHECK(std::isnan(back->workers(0).window().slices(0).label_sum()));
  CHECK(std::isnan(back->workers(0).window().group_predictions(0)));
  CHECK(SerializeManifest(*back).value() == *content);
}

TEST_CASE("a manifest is JSON with the names of the proto", "[version_log]") {
  const std::string content = Serialized();
  CHECK(content.find(R"("partition_count":1024)") != std::string::npos);
  CHECK(content.substr(0, 9) == R"({"xxh3":")");
  CHECK(content.back() == '\n');
}

TEST_CASE("a manifest with any bit flipped is refused by name", "[version_log]") {
  const std::string content = Serialized();
  for (size_t position = 0; position < content.size(); ++position) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = content;
      damaged[position] = static_cast<char>(damaged[position] ^ (1 << bit));
      const Status status = Parse(damaged).status();
      INFO("byte " << position << " bit " << bit << ": " << status.ToString());
      REQUIRE(absl::IsDataLoss(status));
      REQUIRE(MessageOf(status).find(kPath) != std::string::npos);
    }
  }
}

TEST_CASE("a manifest cut short or with more behind it is refused by name", "[version_log]") {
  const std::string content = Serialized();
  for (size_t size = 0; size < content.size(); ++size) {
    const Status status = Parse(content.substr(0, size)).status();
    INFO("first " << size << " bytes: " << status.ToString());
    REQUIRE(absl::IsDataLoss(status));
    REQUIRE(MessageOf(status).find(kPath) != std::string::npos);
  }
  CHECK(absl::IsDataLoss(Parse(content + "\n").status()));
  CHECK(absl::IsDataLoss(Parse(content + content).status()));
}

TEST_CASE("a checksum that does not match is told beside the one found", "[version_log]") {
  std::string content = Serialized();
  const std::string expected = content.substr(9, 16);
  content[content.size() - 10] ^= 1;
  const std::string message = MessageOf(Parse(content).status());
  INFO(message);
  CHECK(message.find(expected) != std::string::npos);
}

TEST_CASE("the manifest of another version is refused", "[version_log]") {
  const auto content = SerializeManifest(SmallManifest(8, 5));
  REQUIRE(content.ok());
  CHECK(absl::IsDataLoss(Parse(*content).status()));
}

TEST_CASE("fields of a newer program are skipped, its formats are not", "[version_log]") {
  const auto newer_field = Parse(Wrap(R"({"format":1,"version":"7","novelty":{"a":[1]}})"));
  INFO(newer_field.status().ToString());
  CHECK(newer_field.ok());
  const auto newer_format = Parse(Wrap(R"({"format":2,"version":"7"})"));
  CHECK(absl::IsFailedPrecondition(newer_format.status()));
}

TEST_CASE("well checksummed nonsense is refused", "[version_log]") {
  const std::string nested(100'000, '[');
  for (const std::string& inner : {std::string(),
                                   std::string("{}"),
                                   std::string("null"),
                                   std::string("17"),
                                   std::string("{"),
                                   std::string(R"({"format":1})"),
                                   std::string(R"({"format":1,"version":"-7"})"),
                                   std::string(R"({"format":1,"version":"7","parent":"7"})"),
                                   std::string(R"({"format":1,"version":"7","parent":"9"})"),
                                   std::string(R"({"format":1,"version":"7","kind":9})"),
                                   std::string("{\"format\":1,\"version\":\"7\"}\0", 27),
                                   nested}) {
    const Status status = Parse(Wrap(inner)).status();
    INFO(inner.substr(0, 80) << " -> " << status.ToString());
    CHECK((absl::IsDataLoss(status) || absl::IsFailedPrecondition(status)));
  }
}

TEST_CASE("a manifest that breaks a rule of the log is not written", "[version_log]") {
  proto::Manifest manifest = SmallManifest(7, 5);
  SECTION("version 0") {
    manifest.set_version(0);
  }
  SECTION("its own parent") {
    manifest.set_parent(7);
  }
  SECTION("a parent that is younger") {
    manifest.set_parent(8);
  }
  SECTION("a rollback with parts") {
    manifest.set_kind(proto::Manifest::ROLLBACK);
    manifest.add_parts()->set_name("part");
  }
  SECTION("a part outside of its folder") {
    manifest.add_parts()->set_name("../part");
  }
  SECTION("a part without name") {
    manifest.add_parts();
  }
  SECTION("a part twice") {
    manifest.add_parts()->set_name("part");
    manifest.add_parts()->set_name("part");
  }
  SECTION("text that is not UTF-8") {
    manifest.mutable_workers(0)->mutable_positions(0)->set_partition("\xff.csv");
  }
  const auto content = SerializeManifest(manifest);
  INFO(content.status().ToString());
  CHECK(absl::IsInvalidArgument(content.status()));
}

}  // namespace
}  // namespace freshet::test
