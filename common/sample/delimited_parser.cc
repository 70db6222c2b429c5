#include "common/sample/delimited_parser.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/config/nearest.h"
#include "common/sample/label.h"
#include "common/sample/number.h"

namespace freshet {
namespace {

// What is done with a column of the line.
struct ColumnPlan {
  std::string name;
  bool label = false;
  bool weight = false;
  bool event_time = false;
  std::vector<size_t> slots;

  bool used() const { return label || weight || event_time || !slots.empty(); }
};

// Where `delimiter` next stands in [at, end), or end.
const char* FindDelimiter(const char* at, const char* end, const std::string& delimiter) {
  const auto left = static_cast<size_t>(end - at);
  const void* found = delimiter.size() == 1
                          ? std::memchr(at, delimiter[0], left)
                          : ::memmem(at, left, delimiter.data(), delimiter.size());
  return found == nullptr ? end : static_cast<const char*>(found);
}

class DelimitedParser final : public SampleParser {
 public:
  DelimitedParser(const SampleFormat& format,
                  const FeatureMapper& mapper,
                  std::vector<ColumnPlan> columns)
      : mapper_(mapper),
        delimiter_(format.delimiter),
        quoted_(format.quoted),
        label_rule_{.positive_at_least = format.positive_at_least},
        time_unit_(format.time_unit),
        columns_(std::move(columns)) {}

  Status Parse(std::string_view line, Sample* sample) const override {
    sample->label = 0.0F;
    sample->weight = 1.0F;
    sample->event_time_ms = 0;
    sample->features.clear();
    if (line.empty()) {
      return WrongColumnCount(line);
    }
    const char* at = line.data();
    const char* const end = at + line.size();
    size_t column = 0;
    for (bool more = true; more; ++column) {
      if (column == columns_.size()) {
        return WrongColumnCount(line);
      }
      std::string unescaped;  // allocates only for a column with doubled quotes
      std::string_view value;
      if (quoted_ && at != end && *at == '"') {
        const char* after = Unquote(at, end, &value, &unescaped);
        if (after == nullptr) {
          return InColumn(column,
                          InvalidArgument("the closing quote is missing, or not at the "
                                          "end of the column"));
        }
        at = after;
      } else {
        const char* const stop = FindDelimiter(at, end, delimiter_);
        value = {at, static_cast<size_t>(stop - at)};
        at = stop;
      }
      if (columns_[column].used()) {
        if (Status status = Take(columns_[column], value, sample); !status.ok()) {
          return InColumn(column, status);
        }
      }
      more = at != end;
      at += more ? delimiter_.size() : 0;
    }
    if (column != columns_.size()) {
      return WrongColumnCount(line);
    }
    if (mapper_.has_crosses()) {
      mapper_.AddCrosses(0, &sample->features);
    }
    return absl::OkStatus();
  }

 private:
  // The text of the quoted column that begins at `at`. Returns where it ends: at a delimiter, or at
  // the end of the line. Null: there is something else.
  const char* Unquote(const char* at,
                      const char* end,
                      std::string_view* value,
                      std::string* unescaped) const {
    const char* begin = ++at;
    bool doubled = false;
    while (true) {
      const auto* quote =
          static_cast<const char*>(std::memchr(at, '"', static_cast<size_t>(end - at)));
      if (quote == nullptr) {
        return nullptr;
      }
      if (quote + 1 != end && quote[1] == '"') {
        unescaped->append(begin, quote + 1);
        at = begin = quote + 2;
        doubled = true;
        continue;
      }
      if (doubled) {
        unescaped->append(begin, quote);
        *value = *unescaped;
      } else {
        *value = {begin, static_cast<size_t>(quote - begin)};
      }
      const char* after = quote + 1;
      const bool ends_column =
          after == end ||
          std::string_view(after, static_cast<size_t>(end - after)).starts_with(delimiter_);
      return ends_column ? after : nullptr;
    }
  }

  Status Take(const ColumnPlan& plan, std::string_view value, Sample* sample) const {
    if (plan.label) {
      FRESHET_ASSIGN_OR_RETURN(sample->label, label_rule_.Read(value));
    }
    if (plan.weight) {
      double weight = 0.0;
      if (!ParseNumber(value, &weight) || weight < 0.0 ||
          !std::isfinite(static_cast<float>(weight))) {
        return InvalidArgument("the weight must be a number of at least 0, got {}", Excerpt(value));
      }
      sample->weight = static_cast<float>(weight);
    }
    if (plan.event_time && !ParseEventTime(value, time_unit_, &sample->event_time_ms)) {
      return InvalidArgument(
          "the event time must be Unix time in {}, got {}",
          time_unit_ == SampleFormat::TimeUnit::kSeconds ? "seconds" : "milliseconds",
          Excerpt(value));
    }
    for (const size_t slot : plan.slots) {
      FRESHET_RETURN_IF_ERROR(mapper_.Map(slot, value, &sample->features));
    }
    return absl::OkStatus();
  }

  Status InColumn(size_t column, const Status& status) const {
    return Annotate(status, fmt::format("column {} '{}'", column + 1, columns_[column].name));
  }

  Status WrongColumnCount(std::string_view line) const {
    if (line.empty()) {
      return InvalidArgument("the line is empty; it must have {} columns", columns_.size());
    }
    size_t count = 1;
    const char* const end = line.data() + line.size();
    for (const char* at = FindDelimiter(line.data(), end, delimiter_); at != end;
         at = FindDelimiter(at + delimiter_.size(), end, delimiter_)) {
      ++count;
    }
    return InvalidArgument("the line has {} columns between '{}', not {}: {}",
                           count,
                           delimiter_,
                           columns_.size(),
                           Excerpt(line));
  }

  const FeatureMapper mapper_;
  const std::string delimiter_;
  const bool quoted_;
  const LabelRule label_rule_;
  const SampleFormat::TimeUnit time_unit_;
  const std::vector<ColumnPlan> columns_;
};

// The plan of the column with this name; `what` reads it.
StatusOr<ColumnPlan*> PlanOf(const std::string& name,
                             const std::string& what,
                             std::vector<ColumnPlan>* columns) {
  const auto found = std::find_if(
      columns->begin(), columns->end(), [&](const ColumnPlan& plan) { return plan.name == name; });
  if (found != columns->end()) {
    return &*found;
  }
  std::vector<std::string> names;
  for (const ColumnPlan& plan : *columns) {
    names.push_back(plan.name);
  }
  return InvalidArgument("{} names no column: '{}'; {}", what, name, Suggestion(name, names));
}

}  // namespace

StatusOr<std::unique_ptr<SampleParser>> MakeDelimitedParser(const SampleFormat& format,
                                                            const FeatureMapper& mapper) {
  if (format.delimiter.empty()) {
    return InvalidArgument("the delimiter is empty");
  }
  std::vector<ColumnPlan> columns;
  for (const std::string& name : format.columns) {
    columns.emplace_back().name = name;
  }
  FRESHET_ASSIGN_OR_RETURN(ColumnPlan* const label,
                           PlanOf(format.label_column, "the label", &columns));
  label->label = true;
  if (!format.weight_column.empty()) {
    FRESHET_ASSIGN_OR_RETURN(ColumnPlan* const weight,
                             PlanOf(format.weight_column, "the weight", &columns));
    weight->weight = true;
  }
  if (!format.event_time_column.empty()) {
    FRESHET_ASSIGN_OR_RETURN(ColumnPlan* const time,
                             PlanOf(format.event_time_column, "the event time", &columns));
    time->event_time = true;
  }
  for (size_t slot = 0; slot < mapper.slot_count(); ++slot) {
    const proto::Slot& spec = mapper.slot(slot);
    if (mapper.IsCross(slot)) {
      continue;
    }
    FRESHET_ASSIGN_OR_RETURN(
        ColumnPlan* const plan,
        PlanOf(spec.column(), fmt::format("slot '{}'", spec.name()), &columns));
    plan->slots.push_back(slot);
  }
  return std::make_unique<DelimitedParser>(format, mapper, std::move(columns));
}

}  // namespace freshet
