#include "common/rpc/rpc.h"

#include <future>
#include <utility>

#include "common/check.h"
#include "common/rpc/transport_thread.h"

namespace freshet::rpc {

StatusOr<Message> Channel::CallAndWait(Method method,
                                       Message request,
                                       std::chrono::milliseconds timeout) {
  // The answer would never come: it is for this thread to bring it.
  FRESHET_CHECK(!OnTransportThread());
  std::promise<StatusOr<Message>> promise;
  std::future<StatusOr<Message>> answer = promise.get_future();
  // The promise goes along, since set_value may still be at work when get returns.
  Call(method,
       std::move(request),
       timeout,
       [promise = std::move(promise)](StatusOr<Message> result) mutable {
         promise.set_value(std::move(result));
       });
  return answer.get();
}

}  // namespace freshet::rpc
