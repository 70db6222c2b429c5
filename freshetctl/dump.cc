#include "freshetctl/dump.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
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
};

// A version, all of its chain applied. Ordered, as the output is.
struct Model {
  std::map<std::string, std::map<Key, Row>> embeddings;
  std::map<std::string, DenseTensor> dense;
};

void Apply(const EmbeddingRows& rows, std::map<Key, Row>* table) {
  for (const Key key : rows.tombstones) {
    table->erase(key);
  }
  for (size_t i = 0; i < rows.keys.size(); ++i) {
    const float* const values = rows.values.data() + i * rows.dim;
    const float* const states = rows.states.data() + i * rows.state_dim;
    (*table)[rows.keys[i]] = {.values = {values, values + rows.dim},
                              .states = {states, states + rows.state_dim},
                              .frequency = rows.frequencies[i],
                              .last_update = rows.last_updates[i]};
  }
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

Status PrintEmbedding(const std::map<Key, Row>& table, Sink* sink) {
  for (const auto& [key, row] : table) {
    sink->Print("{:016x}", key);
    for (const std::vector<float>* floats : {&row.values, &row.states}) {
      for (const float value : *floats) {
        sink->PrintFloat(value);
      }
    }
    sink->Print(" {} {}\n", row.frequency, row.last_update);
    FRESHET_RETURN_IF_ERROR(sink->Flush(kFlushBytes));
  }
  return absl::OkStatus();
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
