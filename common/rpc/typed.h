#pragma once
#include <chrono>
#include <string>
#include <utility>

#include "common/rpc/rpc.h"

// Protobuf messages on top of rpc.h.
namespace freshet::rpc {

// InvalidArgument if the head does not parse as a Proto.
template <typename Proto>
StatusOr<Proto> ParseHead(const Message& message) {
  Proto proto;
  if (!proto.ParseFromString(message.head)) {
    return InvalidArgument("a head of {} bytes is no {}", message.head.size(), proto.GetTypeName());
  }
  return proto;
}

template <typename Proto>
Message MakeMessage(const Proto& proto, Buffer body = {}) {
  return Message{.head = proto.SerializeAsString(), .body = std::move(body)};
}

// A call whose answer's head is a Response; the answer's body is dropped.
template <typename Response, typename Request>
StatusOr<Response> CallAndWait(Channel& channel,
                               Method method,
                               const Request& request,
                               std::chrono::milliseconds timeout,
                               Buffer body = {}) {
  FRESHET_ASSIGN_OR_RETURN(
      const Message answer,
      channel.CallAndWait(method, MakeMessage(request, std::move(body)), timeout));
  return ParseHead<Response>(answer);
}

// Registers `handle`, called as handle(Request, Buffer body, Responder). A request that does not
// parse is answered before; `refused` hears of it, called as refused(Status).
template <typename Request, typename Handle, typename Refused>
void HandleTyped(Server& server, Method method, Handle handle, Refused refused) {
  server.Handle(method,
                [handle = std::move(handle), refused = std::move(refused)](Message message,
                                                                           Responder respond) {
                  StatusOr<Request> request = ParseHead<Request>(message);
                  if (!request.ok()) {
                    refused(request.status());
                    respond(request.status());
                    return;
                  }
                  handle(*std::move(request), std::move(message.body), std::move(respond));
                });
}

template <typename Request, typename Handle>
void HandleTyped(Server& server, Method method, Handle handle) {
  HandleTyped<Request>(server, method, std::move(handle), [](const Status&) {});
}

}  // namespace freshet::rpc
