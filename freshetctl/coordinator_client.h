#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "common/rpc/typed.h"
#include "freshetctl/context.h"

namespace freshet::freshetctl {

// Calls to the coordinator. Finds it before each call, since one that was started again may have
// another address. One thread at a time.
class CoordinatorClient {
 public:
  CoordinatorClient(const Env& env, Target target) : env_(env), target_(std::move(target)) {}

  template <typename Response, typename Request>
  StatusOr<Response> Call(rpc::Method method,
                          const Request& request,
                          std::chrono::milliseconds timeout,
                          Buffer body = {}) {
    FRESHET_RETURN_IF_ERROR(Connect());
    auto response =
        rpc::CallAndWait<Response>(*channel_, method, request, timeout, std::move(body));
    return response.ok() ? std::move(response)
                         : Annotate(response.status(), "coordinator at " + address_);
  }

 private:
  StatusOr<std::string> Locate() const;
  Status Connect();

  const Env& env_;
  const Target target_;
  std::string address_;
  std::unique_ptr<rpc::Channel> channel_;
};

}  // namespace freshet::freshetctl
