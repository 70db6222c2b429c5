#include "coordinator/edits.h"

#include <google/protobuf/repeated_ptr_field.h>

#include <algorithm>
#include <utility>

#include "common/key.h"
#include "common/rpc/typed.h"
#include "proto/ps.pb.h"

namespace freshet::coordinator {
namespace {

// The server has understood, and will not do it at the next try either.
bool IsRefusal(const Status& status) {
  return !absl::IsAborted(status) && !absl::IsUnavailable(status) && !absl::IsCancelled(status) &&
         !absl::IsDeadlineExceeded(status);
}

void AddRule(const proto::RuleEvictions& rule, proto::Evictions* sum) {
  auto& rules = *sum->mutable_rules();
  const auto found = std::find_if(
      rules.begin(), rules.end(), [&](const auto& of) { return of.rule() == rule.rule(); });
  if (found == rules.end()) {
    *sum->add_rules() = rule;
    return;
  }
  found->set_rows(found->rows() + rule.rows());
  found->set_bytes(found->bytes() + rule.bytes());
}

// All servers, and all tries, name the same variables in the same order.
void AddEvictions(const google::protobuf::RepeatedPtrField<proto::Evictions>& variables,
                  proto::ShrinkResponse* sum) {
  for (int i = 0; i < variables.size(); ++i) {
    if (i == sum->variables_size()) {
      sum->add_variables()->set_variable(variables[i].variable());
    }
    for (const proto::RuleEvictions& rule : variables[i].rules()) {
      AddRule(rule, sum->mutable_variables(i));
    }
  }
}

uint64_t RowsOf(const proto::ShrinkResponse& evicted) {
  uint64_t rows = 0;
  for (const proto::Evictions& variable : evicted.variables()) {
    for (const proto::RuleEvictions& rule : variable.rules()) {
      rows += rule.rows();
    }
  }
  return rows;
}

StatusOr<uint64_t> DeleteFromServers(const Session& session,
                                     const ForgetAsk& ask,
                                     std::chrono::milliseconds timeout,
                                     const GiveUp& give_up) {
  proto::DeleteRequest request;
  request.set_epoch(session.epoch.value());
  request.set_variable(ask.request.variable());
  std::vector<rpc::Message> messages;
  for (size_t i = 0; i < session.servers.size(); ++i) {
    messages.push_back(rpc::MakeMessage(request, Buffer::CopyOf(ask.keys.bytes())));
  }
  FRESHET_ASSIGN_OR_RETURN(
      const auto answers,
      CallEach(session.servers, rpc::Method::kDelete, std::move(messages), timeout, give_up));
  uint64_t deleted = 0;
  for (const rpc::Message& answer : answers) {
    FRESHET_ASSIGN_OR_RETURN(const auto response, rpc::ParseHead<proto::DeleteResponse>(answer));
    deleted += response.deleted();
  }
  return deleted;
}

Status ApplyOne(const Session& session,
                std::chrono::milliseconds timeout,
                const GiveUp& give_up,
                Edit* edit) {
  if (const auto* forget = std::get_if<ForgetAsk>(&edit->what)) {
    FRESHET_ASSIGN_OR_RETURN(const uint64_t deleted,
                             DeleteFromServers(session, *forget, timeout, give_up));
    edit->rows += deleted;
    return absl::OkStatus();
  }
  FRESHET_ASSIGN_OR_RETURN(
      const auto evicted,
      EvictOnServers(session, std::get<proto::ShrinkRequest>(edit->what), timeout, give_up));
  AddEvictions(evicted.variables(), &edit->evicted);
  edit->rows = RowsOf(edit->evicted);
  return absl::OkStatus();
}

rpc::Message AnswerOf(const Edit& edit, VersionId version) {
  if (std::holds_alternative<ForgetAsk>(edit.what)) {
    proto::ForgetResponse response;
    response.set_rows(edit.rows);
    response.set_version(version.value());
    return rpc::MakeMessage(response);
  }
  proto::ShrinkResponse response = edit.evicted;
  response.set_version(version.value());
  return rpc::MakeMessage(response);
}

std::string Describe(const Edit& edit, VersionId version) {
  if (const auto* forget = std::get_if<ForgetAsk>(&edit.what)) {
    return fmt::format("forget keys={} rows={} variable={} version={}",
                       forget->keys.size() / sizeof(Key),
                       edit.rows,
                       forget->request.variable(),
                       version.value());
  }
  const std::string& variable = std::get<proto::ShrinkRequest>(edit.what).variable();
  return fmt::format("shrink rows={} variable={} version={}",
                     edit.rows,
                     variable.empty() ? "all" : variable,
                     version.value());
}

}  // namespace

StatusOr<proto::ShrinkResponse> EvictOnServers(const Session& session,
                                               const proto::ShrinkRequest& request,
                                               std::chrono::milliseconds timeout,
                                               const GiveUp& give_up) {
  proto::EvictRequest evict;
  evict.set_epoch(session.epoch.value());
  evict.set_variable(request.variable());
  evict.set_dry_run(request.dry_run());
  FRESHET_ASSIGN_OR_RETURN(
      const auto answers,
      CallAll<proto::EvictResponse>(session.servers, rpc::Method::kEvict, evict, timeout, give_up));
  proto::ShrinkResponse sum;
  for (const proto::EvictResponse& answer : answers) {
    AddEvictions(answer.variables(), &sum);
  }
  return sum;
}

void Edits::Add(Edit edit) {
  if (edits_.size() >= kMost) {
    edit.respond(ResourceExhausted(
        "{} requests wait for a version that can be committed; 'freshetctl status' tells of failed "
        "cuts",
        edits_.size()));
    return;
  }
  edits_.push_back(std::move(edit));
}

bool Edits::awaited() const {
  return std::any_of(
      edits_.begin(), edits_.end(), [](const Edit& edit) { return bool{edit.respond}; });
}

Status Edits::Apply(const Session& session,
                    std::chrono::milliseconds timeout,
                    const GiveUp& give_up) {
  for (auto edit = edits_.begin(); edit != edits_.end();) {
    Status status = ApplyOne(session, timeout, give_up, &*edit);
    if (status.ok()) {
      ++edit;
      continue;
    }
    if (!IsRefusal(status)) {
      return status;
    }
    if (edit->respond) {
      edit->respond(Annotate(status, "some servers may have done it already"));
    }
    edit = edits_.erase(edit);
  }
  return absl::OkStatus();
}

std::vector<std::string> Edits::Commit(VersionId version) {
  std::vector<std::string> lines;
  for (Edit& edit : edits_) {
    lines.push_back(Describe(edit, version));
    if (edit.respond) {
      edit.respond(AnswerOf(edit, version));
    }
  }
  edits_.clear();
  return lines;
}

void Edits::TellLate(const Status& why) {
  for (Edit& edit : edits_) {
    if (edit.respond) {
      edit.respond(Annotate(why, "no version is without the rows yet, the next one will be"));
      edit.respond = nullptr;
    }
  }
}

void Edits::Rewind() {
  for (Edit& edit : edits_) {
    edit.rows = 0;
    edit.evicted.Clear();
  }
}

void Edits::RefuseAll(const Status& why) {
  for (Edit& edit : edits_) {
    if (edit.respond) {
      edit.respond(why);
    }
  }
  edits_.clear();
}

}  // namespace freshet::coordinator
