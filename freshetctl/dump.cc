#include "freshetctl/dump.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "freshetctl/log_lookup.h"
#include "freshetctl/sink.h"
#include "freshetctl/version_rows.h"

namespace freshet::freshetctl {
namespace {

void PrintFloat(float value, Sink* sink) {
  if (std::isnan(value)) {
    sink->Print(" nan:{:08x}", std::bit_cast<uint32_t>(value));
  } else {
    sink->Print(" {:a}", value);
  }
}

void PrintHistory(const VersionRow& row, Sink* sink) {
  sink->Print(" {} {}", row.frequency, row.last_update);
  if (row.life) {
    sink->Print(" life");
    PrintFloat(row.life->shows, sink);
    PrintFloat(row.life->clicks, sink);
    sink->Print(" {} {} {}", row.life->last_step, row.life->score_day, row.life->slot);
  }
  if (row.served) {
    sink->Print(" served {:d}", *row.served);
  }
  sink->Print("\n");
}

Status PrintPolicy(const VersionTable& table, Sink* sink) {
  for (const auto& [key, candidate] : table.candidates) {
    sink->Print("candidate {:016x}", key);
    PrintHistory(candidate, sink);
    FRESHET_RETURN_IF_ERROR(sink->Flush());
  }
  for (const auto& [block, counters] : table.filter) {
    sink->Print("filter {} {:02x}\n", block, fmt::join(counters, ""));
    FRESHET_RETURN_IF_ERROR(sink->Flush());
  }
  if (table.clock != StreamClock()) {
    sink->Print("clock {} {}\n", table.clock.step, table.clock.event_time_s);
  }
  return absl::OkStatus();
}

Status PrintEmbedding(const VersionTable& table, Sink* sink) {
  for (const auto& [key, row] : table.rows) {
    sink->Print("{:016x}", key);
    for (const std::vector<float>* floats : {&row.values, &row.states}) {
      for (const float value : *floats) {
        PrintFloat(value, sink);
      }
    }
    PrintHistory(row, sink);
    FRESHET_RETURN_IF_ERROR(sink->Flush());
  }
  return PrintPolicy(table, sink);
}

Status PrintDense(const DenseTensor& tensor, Sink* sink) {
  for (const auto& [name, floats] :
       {std::pair("value", &tensor.values), std::pair("state", &tensor.states)}) {
    for (size_t i = 0; i < floats->size(); ++i) {
      sink->Print("{} {}", name, i);
      PrintFloat((*floats)[i], sink);
      sink->Print("\n");
      FRESHET_RETURN_IF_ERROR(sink->Flush());
    }
  }
  return absl::OkStatus();
}

Status Print(const VersionModel& model, bool with_names, Sink* sink) {
  for (const auto& [variable, table] : model.embeddings) {
    if (with_names) {
      sink->Print("# variable {}\n", variable);
    }
    FRESHET_RETURN_IF_ERROR(PrintEmbedding(table, sink));
  }
  for (const auto& [variable, tensor] : model.dense) {
    if (with_names) {
      sink->Print("# variable {}\n", variable);
    }
    FRESHET_RETURN_IF_ERROR(PrintDense(tensor, sink));
  }
  return sink->Flush(0);
}

}  // namespace

Outcome Dump(const Context& context, const std::string& log_directory, const DumpOptions& options) {
  FileSystem& files = context.env.files;
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(files, log_directory));
  const VersionLog log(files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(const VersionId version, AskedOrNewest(log, options.version));
  FRESHET_ASSIGN_OR_RETURN(const VersionModel model,
                           ReadVersion(files, log, version, options.variable));
  if (!options.variable.empty() && model.embeddings.empty() && model.dense.empty()) {
    return NotFound("version {} has no variable '{}'", version.value(), options.variable);
  }
  const bool with_names = options.variable.empty();
  if (options.output.empty()) {
    Sink sink([&](const std::string& text) {
      context.out << text;
      return context.out.good() ? absl::OkStatus() : FailedPrecondition("cannot write to stdout");
    });
    return Print(model, with_names, &sink);
  }
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenWritable(options.output));
  Sink sink([&](const std::string& text) { return file->Append(std::as_bytes(std::span(text))); });
  FRESHET_RETURN_IF_ERROR(Print(model, with_names, &sink));
  return file->Sync();
}

}  // namespace freshet::freshetctl
