#pragma once
#include <fmt/core.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace freshet {

using absl::Status;
using absl::StatusOr;

// Debian's Abseil has a string_view of its own; these two are the only crossings.
inline Status MakeStatus(absl::StatusCode code, const std::string& message) {
  return {code, absl::string_view(message.data(), message.size())};
}

inline std::string MessageOf(const Status& status) {
  return {status.message().data(), status.message().size()};
}

// Same code, with `where` put before the message.
inline Status Annotate(const Status& status, const std::string& where) {
  return status.ok() ? status : MakeStatus(status.code(), where + ": " + MessageOf(status));
}

// One maker per code, with fmt's formatting. Choose the code by what the caller should do:
// InvalidArgument fix the input; Unavailable retry the call; Aborted retry the larger step (stale
// epoch); FailedPrecondition change the state first; ResourceExhausted budget or disk; DataLoss
// damaged file.
#define FRESHET_STATUS_MAKER(Name, code)                                       \
  template <typename... Args>                                                  \
  Status Name(fmt::format_string<Args...> format, Args&&... args) {            \
    return MakeStatus(code, fmt::format(format, std::forward<Args>(args)...)); \
  }
FRESHET_STATUS_MAKER(InvalidArgument, absl::StatusCode::kInvalidArgument)
FRESHET_STATUS_MAKER(Unavailable, absl::StatusCode::kUnavailable)
FRESHET_STATUS_MAKER(Aborted, absl::StatusCode::kAborted)
FRESHET_STATUS_MAKER(FailedPrecondition, absl::StatusCode::kFailedPrecondition)
FRESHET_STATUS_MAKER(ResourceExhausted, absl::StatusCode::kResourceExhausted)
FRESHET_STATUS_MAKER(DataLoss, absl::StatusCode::kDataLoss)
FRESHET_STATUS_MAKER(NotFound, absl::StatusCode::kNotFound)
FRESHET_STATUS_MAKER(AlreadyExists, absl::StatusCode::kAlreadyExists)
FRESHET_STATUS_MAKER(DeadlineExceeded, absl::StatusCode::kDeadlineExceeded)
FRESHET_STATUS_MAKER(Cancelled, absl::StatusCode::kCancelled)
FRESHET_STATUS_MAKER(Internal, absl::StatusCode::kInternal)
#undef FRESHET_STATUS_MAKER

}  // namespace freshet

#define FRESHET_CONCAT_INNER(a, b) a##b
#define FRESHET_CONCAT(a, b) FRESHET_CONCAT_INNER(a, b)

#define FRESHET_RETURN_IF_ERROR(expression)                                   \
  do {                                                                        \
    if (::absl::Status freshet_status = (expression); !freshet_status.ok()) { \
      return freshet_status;                                                  \
    }                                                                         \
  } while (false)

// NOLINTBEGIN(bugprone-macro-parentheses): `target` may be a declaration
// FRESHET_ASSIGN_OR_RETURN(auto x, MakeX());
#define FRESHET_ASSIGN_OR_RETURN(target, expression) \
  FRESHET_ASSIGN_OR_RETURN_INNER(FRESHET_CONCAT(status_or_, __LINE__), target, expression)
#define FRESHET_ASSIGN_OR_RETURN_INNER(holder, target, expression) \
  auto holder = (expression);                                      \
  if (!holder.ok()) {                                              \
    return holder.status();                                        \
  }                                                                \
  target = *std::move(holder)
// NOLINTEND(bugprone-macro-parentheses)
