#include "common/version_log/manifest_file.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "common/version_log/checksum.h"

namespace freshet {
namespace {

// {"xxh3":"0123456789abcdef","manifest":{...}}\n
constexpr std::string_view kHead = R"({"xxh3":")";
constexpr size_t kChecksumDigits = 16;
constexpr std::string_view kMiddle = R"(","manifest":)";
constexpr std::string_view kTail = "}\n";
constexpr size_t kInnerBegin = kHead.size() + kChecksumDigits + kMiddle.size();

google::protobuf::StringPiece Piece(std::string_view text) {
  return {text.data(), text.size()};
}

// JSON has one NaN and, as protobuf reads it, one zero; arithmetic makes others, with the sign bit
// set.
template <typename T>
T Plain(T number) {
  if (std::isnan(number)) {
    return std::numeric_limits<T>::quiet_NaN();
  }
  return number == 0 ? T{0} : number;
}

// Makes all floating-point numbers plain, so that a version can be written whatever its scores are.
void MakePlain(google::protobuf::Message* message) {
  using Field = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  std::vector<const Field*> fields;
  reflection.ListFields(*message, &fields);
  for (const Field* const field : fields) {
    const bool repeated = field->is_repeated();
    const int count = repeated ? reflection.FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
        MakePlain(repeated ? reflection.MutableRepeatedMessage(message, field, i)
                           : reflection.MutableMessage(message, field));
      } else if (field->cpp_type() == Field::CPPTYPE_DOUBLE && repeated) {
        reflection.SetRepeatedDouble(
            message, field, i, Plain(reflection.GetRepeatedDouble(*message, field, i)));
      } else if (field->cpp_type() == Field::CPPTYPE_DOUBLE) {
        reflection.SetDouble(message, field, Plain(reflection.GetDouble(*message, field)));
      } else if (field->cpp_type() == Field::CPPTYPE_FLOAT && repeated) {
        reflection.SetRepeatedFloat(
            message, field, i, Plain(reflection.GetRepeatedFloat(*message, field, i)));
      } else if (field->cpp_type() == Field::CPPTYPE_FLOAT) {
        reflection.SetFloat(message, field, Plain(reflection.GetFloat(*message, field)));
      }
    }
  }
}

StatusOr<std::string> ToJson(const proto::Manifest& manifest) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(manifest, &json, options);
  if (!status.ok()) {
    return InvalidArgument("cannot be written as JSON: {}", status.ToString());
  }
  return json;
}

StatusOr<proto::Manifest> FromJson(std::string_view json) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  proto::Manifest manifest;
  const auto status = google::protobuf::util::JsonStringToMessage(Piece(json), &manifest, options);
  if (!status.ok()) {
    return DataLoss("is no manifest: {}", status.ToString());
  }
  // A field without a name is not skipped by the parser, but kept under some other's number.
  manifest.DiscardUnknownFields();
  MakePlain(&manifest);
  return manifest;
}

// The bytes that the checksum covers, checked against it.
StatusOr<std::string_view> CheckedInner(std::string_view content) {
  if (content.size() < kInnerBegin + kTail.size() || !content.starts_with(kHead) ||
      content.substr(kHead.size() + kChecksumDigits, kMiddle.size()) != kMiddle ||
      !content.ends_with(kTail)) {
    return DataLoss("is no manifest: {} bytes that do not read {}<xxh3>{}...{}",
                    content.size(),
                    kHead,
                    kMiddle,
                    kTail.substr(0, 1));
  }
  const std::string_view expected = content.substr(kHead.size(), kChecksumDigits);
  const std::string_view inner =
      content.substr(kInnerBegin, content.size() - kInnerBegin - kTail.size());
  const std::string found = Xxh3Hex(inner);
  if (found != expected) {
    return DataLoss("manifest has xxh3 {}, the file says {}", found, expected);
  }
  return inner;
}

StatusOr<proto::Manifest> Parse(std::string_view content, VersionId version) {
  FRESHET_ASSIGN_OR_RETURN(const std::string_view inner, CheckedInner(content));
  FRESHET_ASSIGN_OR_RETURN(proto::Manifest manifest, FromJson(inner));
  if (manifest.format() != kManifestFormat) {
    return FailedPrecondition(
        "has format {}, this program reads {}", manifest.format(), kManifestFormat);
  }
  if (manifest.version() != version.value()) {
    return DataLoss(
        "is the manifest of version {}, not of {}", manifest.version(), version.value());
  }
  if (const Status status = CheckManifest(manifest); !status.ok()) {
    return DataLoss("{}", MessageOf(status));
  }
  return manifest;
}

}  // namespace

bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

Status CheckManifest(const proto::Manifest& manifest) {
  if (manifest.version() == 0 || manifest.parent() >= manifest.version()) {
    return InvalidArgument(
        "version {} has parent {}, which must be smaller", manifest.version(), manifest.parent());
  }
  if (!proto::Manifest::Kind_IsValid(manifest.kind())) {
    return InvalidArgument(
        "version {} is of unknown kind {}", manifest.version(), static_cast<int>(manifest.kind()));
  }
  if (manifest.kind() == proto::Manifest::ROLLBACK && manifest.parts_size() > 0) {
    return InvalidArgument("version {} is a rollback, yet has parts", manifest.version());
  }
  std::set<std::string_view> names;
  for (const proto::PartFile& part : manifest.parts()) {
    if (!IsPlainFileName(part.name())) {
      return InvalidArgument(
          "version {}: '{}' is no name for a part", manifest.version(), part.name());
    }
    if (!names.insert(part.name()).second) {
      return InvalidArgument("version {}: part {} comes twice", manifest.version(), part.name());
    }
  }
  return absl::OkStatus();
}

StatusOr<std::string> SerializeManifest(const proto::Manifest& manifest) {
  FRESHET_RETURN_IF_ERROR(CheckManifest(manifest));
  proto::Manifest stamped = manifest;
  stamped.set_format(kManifestFormat);
  MakePlain(&stamped);
  FRESHET_ASSIGN_OR_RETURN(const std::string inner, ToJson(stamped));
  // A manifest that cannot be read back would make every later version unreadable.
  const StatusOr<proto::Manifest> back = FromJson(inner);
  if (!back.ok() || back->SerializeAsString() != stamped.SerializeAsString()) {
    return InvalidArgument("manifest of version {} does not come back the same from JSON{}{}",
                           manifest.version(),
                           back.ok() ? "" : ": it ",
                           MessageOf(back.status()));
  }
  return fmt::format("{}{}{}{}{}", kHead, Xxh3Hex(inner), kMiddle, inner, kTail);
}

StatusOr<proto::Manifest> ParseManifest(const std::string& path,
                                        std::string_view content,
                                        VersionId version) {
  StatusOr<proto::Manifest> manifest = Parse(content, version);
  return manifest.ok() ? std::move(manifest) : Annotate(manifest.status(), path);
}

}  // namespace freshet
