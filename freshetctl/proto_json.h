#pragma once
#include <google/protobuf/message.h>

#include <string>

namespace freshet::freshetctl {

// The message as one line of JSON for scripts: names of the .proto file, every field present, enums
// by name, 64-bit numbers as numbers (proto3 JSON has them as strings), NaN and infinity as null.
std::string ToJson(const google::protobuf::Message& message);

}  // namespace freshet::freshetctl
