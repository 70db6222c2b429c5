#include <cmath>
#include <memory>
#include <vector>

#include "common/check.h"
#include "common/sample/sample_format.h"

// An input is the number of a format (one byte), then a line. A line that is taken must give a
// sample that can be trained on, and the same one into memory that has been used before.
namespace freshet {
namespace {

FeatureMapper MapperOf(bool all_kinds) {
  proto::ModelSpec model;
  model.add_slots()->set_name("id");
  model.mutable_slots(0)->set_column("a");
  if (all_kinds) {
    auto* list = model.add_slots();
    list->set_name("list");
    list->set_column("a");
    list->set_separator("|");
    auto* bucket = model.add_slots();
    bucket->set_name("bucket");
    bucket->set_column("b");
    bucket->add_buckets(-1.5);
    bucket->add_buckets(1e9);
    auto* log = model.add_slots();
    log->set_name("log");
    log->set_column("b");
    log->set_log_bucket(true);
  }
  auto mapper = FeatureMapper::Make(model);
  FRESHET_CHECK(mapper.ok());
  return *std::move(mapper);
}

std::vector<std::unique_ptr<SampleParser>> MakeParsers() {
  const SampleFormat plain = {.columns = {"y", "w", "t", "a", "b"},
                              .label_column = "y",
                              .weight_column = "w",
                              .event_time_column = "t"};
  SampleFormat quoted = plain;
  quoted.quoted = true;
  SampleFormat wide = plain;
  wide.delimiter = "::";
  wide.positive_at_least = 4;
  SampleFormat wide_quoted = wide;
  wide_quoted.quoted = true;
  const SampleFormat libsvm = {.kind = SampleFormat::Kind::kLibsvm};
  const SampleFormat libffm = {.kind = SampleFormat::Kind::kLibffm};
  SampleFormat json = plain;
  json.kind = SampleFormat::Kind::kJson;
  const SampleFormat protobuf = {.kind = SampleFormat::Kind::kProtobuf};
  std::vector<std::unique_ptr<SampleParser>> parsers;
  for (const SampleFormat& format :
       {plain, quoted, wide, wide_quoted, libsvm, libffm, json, protobuf}) {
    const bool all_kinds =
        format.kind == SampleFormat::Kind::kDelimited || format.kind == SampleFormat::Kind::kJson;
    auto parser = MakeSampleParser(format, MapperOf(all_kinds));
    FRESHET_CHECK(parser.ok());
    parsers.push_back(*std::move(parser));
  }
  return parsers;
}

void CheckSample(const Sample& sample, size_t line_bytes) {
  FRESHET_CHECK(sample.label == 0.0F || sample.label == 1.0F);
  FRESHET_CHECK(std::isfinite(sample.weight) && sample.weight >= 0.0F);
  FRESHET_CHECK(sample.features.size() <= line_bytes + 4);
  for (const Feature& feature : sample.features) {
    FRESHET_CHECK(feature.slot < 4 && std::isfinite(feature.value));
  }
}

bool Equal(const Sample& a, const Sample& b) {
  bool equal = a.label == b.label && a.weight == b.weight && a.event_time_ms == b.event_time_ms &&
               a.features.size() == b.features.size();
  for (size_t i = 0; equal && i < a.features.size(); ++i) {
    equal = a.features[i].key == b.features[i].key && a.features[i].value == b.features[i].value &&
            a.features[i].slot == b.features[i].slot;
  }
  return equal;
}

void Check(std::string_view input) {
  static const auto parsers = MakeParsers();
  static Sample used;
  if (input.empty()) {
    return;
  }
  const SampleParser& parser = *parsers[static_cast<unsigned char>(input[0]) % parsers.size()];
  const std::string_view line = input.substr(1);
  Sample fresh;
  const Status status = parser.Parse(line, &fresh);
  FRESHET_CHECK(status == parser.Parse(line, &used));
  if (status.ok()) {
    CheckSample(fresh, line.size());
    FRESHET_CHECK(Equal(fresh, used));
  } else {
    FRESHET_CHECK(absl::IsInvalidArgument(status) && !status.message().empty());
  }
}

}  // namespace
}  // namespace freshet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
