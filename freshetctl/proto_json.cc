#include "freshetctl/proto_json.h"

#include <google/protobuf/descriptor.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cmath>

namespace freshet::freshetctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void Write(Writer& writer, const Message& message);

void WriteDouble(Writer& writer, double value) {
  if (std::isfinite(value)) {
    writer.Double(value);
  } else {
    writer.Null();
  }
}

void WriteString(Writer& writer, const std::string& text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

// One value of the field; `index` is -1 unless it is repeated.
void WriteValue(Writer& writer, const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool single = index < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      writer.Int(single ? reflection.GetInt32(message, field)
                        : reflection.GetRepeatedInt32(message, field, index));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      writer.Int64(single ? reflection.GetInt64(message, field)
                          : reflection.GetRepeatedInt64(message, field, index));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      writer.Uint(single ? reflection.GetUInt32(message, field)
                         : reflection.GetRepeatedUInt32(message, field, index));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      writer.Uint64(single ? reflection.GetUInt64(message, field)
                           : reflection.GetRepeatedUInt64(message, field, index));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      WriteDouble(writer,
                  single ? reflection.GetDouble(message, field)
                         : reflection.GetRepeatedDouble(message, field, index));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      WriteDouble(writer,
                  double{single ? reflection.GetFloat(message, field)
                                : reflection.GetRepeatedFloat(message, field, index)});
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      writer.Bool(single ? reflection.GetBool(message, field)
                         : reflection.GetRepeatedBool(message, field, index));
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      WriteString(writer,
                  (single ? reflection.GetEnum(message, field)
                          : reflection.GetRepeatedEnum(message, field, index))
                      ->name());
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      WriteString(writer,
                  single ? reflection.GetString(message, field)
                         : reflection.GetRepeatedString(message, field, index));
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      Write(writer,
            single ? reflection.GetMessage(message, field)
                   : reflection.GetRepeatedMessage(message, field, index));
      break;
  }
}

void Write(Writer& writer, const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  writer.StartObject();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    // Of a oneof only what is set; a message that is not set has nothing to say.
    const bool may_be_absent =
        field->containing_oneof() != nullptr ||
        (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated());
    if (may_be_absent && !reflection.HasField(message, field)) {
      continue;
    }
    writer.Key(field->name().c_str());
    if (!field->is_repeated()) {
      WriteValue(writer, message, field, -1);
      continue;
    }
    writer.StartArray();
    for (int index = 0; index < reflection.FieldSize(message, field); ++index) {
      WriteValue(writer, message, field, index);
    }
    writer.EndArray();
  }
  writer.EndObject();
}

}  // namespace

std::string ToJson(const Message& message) {
  rapidjson::StringBuffer json;
  Writer writer(json);
  Write(writer, message);
  return {json.GetString(), json.GetSize()};
}

}  // namespace freshet::freshetctl
