#pragma once
#include <map>
#include <utility>

#include "common/check.h"
#include "common/rpc/rpc.h"

namespace freshet::rpc {

// The handlers of one server. Thread-safety: Add before the server starts; then any thread.
class HandlerTable {
 public:
  void Add(Method method, Handler handler) {
    const bool added = handlers_.emplace(method, std::move(handler)).second;
    FRESHET_CHECK(added);
  }

  void Dispatch(Method method, Message request, Responder respond) const {
    const auto handler = handlers_.find(method);
    if (handler == handlers_.end()) {
      respond(InvalidArgument("this server has no method {}", static_cast<int>(method)));
      return;
    }
    handler->second(std::move(request), std::move(respond));
  }

  // Lets go of what the handlers hold.
  void Clear() { handlers_.clear(); }

 private:
  std::map<Method, Handler> handlers_;
};

}  // namespace freshet::rpc
