#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "common/http/http_server.h"
#include "common/utf8.h"

namespace freshet::http {
namespace {

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

// A message may quote what a client sent, which need not be text.
std::string Printable(std::string text) {
  if (!IsUtf8(text)) {
    for (char& c : text) {
      if (static_cast<unsigned char>(c) >= 0x80) {
        c = '?';
      }
    }
  }
  return text;
}

}  // namespace

Response ErrorResponse(int status, const std::string& message) {
  const std::string printable = Printable(message);
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.StartObject();
  writer.Key("error");
  writer.String(printable.data(), static_cast<rapidjson::SizeType>(printable.size()));
  writer.EndObject();
  return Response{.status = status, .body = {buffer.GetString(), buffer.GetSize()}};
}

Response ErrorResponse(const Status& status) {
  return ErrorResponse(HttpStatusOf(status.code()), MessageOf(status));
}

}  // namespace freshet::http
