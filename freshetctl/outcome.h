#pragma once
#include <string>
#include <utility>

#include "common/process/process.h"
#include "common/status.h"

namespace freshet::freshetctl {

// How a command ended: an exit code, and what to say on stderr unless it is kExitOk.
class Outcome {
 public:
  Outcome() = default;

  // An error is kExitFailure. Implicit, so that the macros of common/status.h work in commands.
  Outcome(const Status& status)  // NOLINT(google-explicit-constructor)
      : exit_code_(status.ok() ? kExitOk : kExitFailure), message_(MessageOf(status)) {}

  static Outcome Usage(std::string message) { return {kExitUsage, std::move(message)}; }

  static Outcome Config(const Status& status) { return {kExitConfig, MessageOf(status)}; }

  bool ok() const { return exit_code_ == kExitOk; }

  int exit_code() const { return exit_code_; }

  const std::string& message() const { return message_; }

 private:
  Outcome(int exit_code, std::string message)
      : exit_code_(exit_code), message_(std::move(message)) {}

  int exit_code_ = kExitOk;
  std::string message_;
};

}  // namespace freshet::freshetctl
