#include "coordinator/event_log.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "common/cluster/event_kinds.h"
#include "common/utf8.h"
#include "coordinator/log.h"

namespace freshet::coordinator {

namespace {

StateStore::Wanted Wanted(const std::vector<std::string>& kinds) {
  return [&kinds](const Event& event) {
    return kinds.empty() || std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end();
  };
}

}  // namespace

void EventLog::Record(const std::string& kind, uint64_t version, const std::string& text) {
  const std::lock_guard lock(mutex_);
  const Status status = store_.Record(
      {.id = 0, .unix_ms = clock_.UnixMillis(), .kind = kind, .version = version, .text = text});
  if (!status.ok()) {
    Log().warn("could not record an event kind={} error=\"{}\"", kind, status.ToString());
  }
  changed_.notify_all();
}

StatusOr<std::vector<Event>> EventLog::Query(uint64_t after,
                                             const std::vector<std::string>& kinds,
                                             size_t limit) const {
  FRESHET_RETURN_IF_ERROR(CheckEventKinds(kinds));
  return after == 0 ? store_.NewestEvents(limit, Wanted(kinds)) : After(after, kinds, limit);
}

StatusOr<std::vector<Event>> EventLog::After(uint64_t after,
                                             const std::vector<std::string>& kinds,
                                             size_t limit) const {
  return store_.EventsAfter(after, limit, Wanted(kinds));
}

uint64_t EventLog::newest() const {
  return store_.NewestEvent();
}

void EventLog::Await(uint64_t after) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return closed_ || store_.NewestEvent() > after; });
}

void EventLog::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool EventLog::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

proto::Event ToProto(const Event& event) {
  proto::Event message;
  message.set_id(event.id);
  message.set_unix_ms(event.unix_ms);
  message.set_kind(ToUtf8(event.kind));
  message.set_version(event.version);
  message.set_text(ToUtf8(event.text));  // it may quote the name of a file
  return message;
}

std::string ToJson(const Event& event) {
  google::protobuf::util::JsonPrintOptions format;
  format.always_print_primitive_fields = true;
  format.preserve_proto_field_names = true;
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(ToProto(event), &json, format);
  return json;
}

}  // namespace freshet::coordinator
