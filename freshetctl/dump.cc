#include "freshetctl/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "freshetctl/log_lookup.h"

namespace freshet::freshetctl {
namespace {

struct Row {
  std::vector<float> values;
  std::vector<float> states;
  uint32_t frequency = 0;
  uint32_t last_update = 0;
  std::optional<FeatureLife> life;
  std::optional<bool> served;
};

// One embedding variable.
struct Table {
  std::map<Key, Row> rows;
  std::map<Key, Row> candidates;  // without values and states
  std::map<uint64_t, std::vector<uint8_t>> filter;
  StreamClock clock;
};

// A version, all of its chain applied. Ordered, as the output is.
struct Model {
  std::map<std::string, Table> embeddings;
  std::map<std::string, DenseTensor> dense;
};

std::optional<FeatureLife> LifeAt(const std::vector<FeatureLife>& lives, size_t i) {
  return lives.empty() ? std::nullopt : std::optional(lives[i]);
}

void ApplyCandidates(const CandidateRows& candidates, std::map<Key, Row>* table) {
  for (const Key key : candidates.tombstones) {
    table->erase(key);
  }
  for (size_t i = 0; i < candidates.keys.size(); ++i) {
    Row& row = (*table)[candidates.keys[i]];
    row.frequency = candidates.frequencies[i];
    row.last_update = candidates.last_updates[i];
    row.life = LifeAt(candidates.lives, i);
  }
}

void Apply(const EmbeddingRows& rows, Table* table) {
  for (const Key key : rows.tombstones) {
    table->rows.erase(key);
  }
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    const float* const values = rows.values.data() + i * rows.dim;
    const float* const states = rows.states.data() + i * rows.state_dim;
    table->rows[rows.keys[i]] = {
        .values = {values, values + rows.dim},
        .states = {states, states + rows.state_dim},
        .frequency = rows.frequencies[i],
        .last_update = rows.last_updates[i],
        .life = LifeAt(rows.lives, i),
        .served = rows.served.empty() ? std::nullopt : std::optional(rows.served[i] != 0)};
  }
  ApplyCandidates(rows.candidates, &table->candidates);
  for (size_t i = 0; i < rows.filter.blocks.size(); ++i) {
    const uint8_t* const counters = rows.filter.counters.data() + i * FilterBlocks::kBlockBytes;
    table->filter[rows.filter.blocks[i]].assign(counters, counters + FilterBlocks::kBlockBytes);
  }
  // Each part tells how far its owner thread has come.
  table->clock.step = std::max(table->clock.step, rows.clock.step);
  table->clock.event_time_s = std::max(table->clock.event_time_s, rows.clock.event_time_s);
}

StatusOr<Model> Load(FileSystem& files, const VersionLog& log, const DumpOptions& options) {
  FRESHET_ASSIGN_OR_RETURN(const VersionId version, AskedOrNewest(log, options.version));
  Model model;
  const auto wanted = [&](const std::string& variable) {
    return options.variable.empty() || variable == options.variable;
  };
  FRESHET_RETURN_IF_ERROR(ForEachPart(
      files, log, version, PartColumns::kAll, [&](const proto::Manifest&, PartContents contents) {
        for (const EmbeddingRows& rows : contents.embeddings) {
          if (wanted(rows.variable)) {
            Apply(rows, &model.embeddings[rows.variable]);
          }
        }
        for (DenseTensor& tensor : contents.dense) {
          if (wanted(tensor.variable)) {
            model.dense[tensor.variable] = std::move(tensor);
          }
        }
        return absl::OkStatus();
      }));
  if (!options.variable.empty() && model.embeddings.empty() && model.dense.empty()) {
    return NotFound("version {} has no variable '{}'", version.value(), options.variable);
  }
  return model;
}

// Text, handed on in pieces of some size.
class Sink {
 public:
  explicit Sink(std::function<Status(const std::string&)> write) : write_(std::move(write)) {}

  template <typename... Args>
  void Print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  void PrintFloat(float value) {
    if (std::isnan(value)) {
      Print(" nan:{:08x}", std::bit_cast<uint32_t>(value));
    } else {
      Print(" {:a}", value);
    }
  }

  // Between lines; `at_least` bytes must have come together.
  Status Flush(size_t at_least) {
    if (text_.size() < at_least) {
      return absl::OkStatus();
    }
    const Status status = write_(text_);
    text_.clear();
    return status;
  }

 private:
  const std::function<Status(const std::string&)> write_;
  std::string text_;
};

constexpr size_t kFlushBytes = 1U << 20U;

void PrintHistory(const Row& row, Sink* sink) {
  sink->Print(" {} {}", row.frequency, row.last_update);
  if (row.life) {
    sink->Print(" life");
    sink->PrintFloat(row.life->shows);
    sink->PrintFloat(row.life->clicks);
    sink->Print(" {} {} {}", row.life->last_step, row.life->score_day, row.life->slot);
  }
  if (row.served) {
    sink->Print(" served {:d}", *row.served);
  }
  sink->Print("\n");
}

Status PrintPolicy(const Table& table, Sink* sink) {
  for (const auto& [key, candidate] : table.candidates) {
    sink->Print("candidate {:016x}", key);
    PrintHistory(candidate, sink);
    FRESHET_RETURN_IF_ERROR(sink->Flush(kFlushBytes));
  }
  for (const auto& [block, counters] : table.filter) {
    sink->Print("filter {} {:02x}\n", block, fmt::join(counters, ""));
    FRESHET_RETURN_IF_ERROR(sink->Flush(kFlushBytes));
  }
  if (table.clock != StreamClock()) {
    sink->Print("clock {} {}\n", table.clock.step, table.clock.event_time_s);
  }
  return absl::OkStatus();
}

Status PrintEmbedding(const Table& table, Sink* sink) {
  for (const auto& [key, row] : table.rows) {
    sink->Print("{:016x}", key);
    for (const std::vector<float>* floats : {&row.values, &row.states}) {
      for (const float value : *floats) {
        sink->PrintFloat(value);
      }
    }
    PrintHistory(row, sink);
    FRESHET_RETURN_IF_ERROR(sink->Flush(kFlushBytes));
  }
  return PrintPolicy(table, sink);
}

Status PrintDense(const DenseTensor& tensor, Sink* sink) {
  for (const auto& [name, floats] :
       {std::pair("value", &tensor.values), std::pair("state", &tensor.states)}) {
    for (size_t i = 0; i < floats->size(); ++i) {
      sink->Print("{} {}", name, i);
      sink->PrintFloat((*floats)[i]);
      sink->Print("\n");
      FRESHET_RETURN_IF_ERROR(sink->Flush(kFlushBytes));
    }
  }
  return absl::OkStatus();
}

Status Print(const Model& model, bool with_names, Sink* sink) {
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
  FRESHET_ASSIGN_OR_RETURN(const Model model, Load(files, log, options));
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
