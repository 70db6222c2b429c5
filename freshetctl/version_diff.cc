#include "freshetctl/version_diff.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "freshetctl/format.h"
#include "freshetctl/log_lookup.h"
#include "freshetctl/table.h"
#include "freshetctl/version_rows.h"

namespace freshet::freshetctl {
namespace {

struct RowChange {
  Key key = 0;
  double distance = 0.0;
  double before = 0.0;  // L2 norms
  double after = 0.0;
  const char* what = "changed";
};

struct VariableDiff {
  uint64_t same = 0;
  uint64_t came = 0;
  uint64_t went = 0;
  uint64_t changed = 0;         // in value
  uint64_t state_only = 0;      // in optimizer state or metadata alone
  double squares = 0.0;         // of all differences
  double largest = 0.0;         // difference of one element
  std::vector<RowChange> most;  // a heap while it is filled: the smallest distance in front
};

double Norm(const std::vector<float>& values) {
  double squares = 0.0;
  for (const float value : values) {
    squares += double{value} * double{value};
  }
  return std::sqrt(squares);
}

bool Further(const RowChange& a, const RowChange& b) {
  return a.distance != b.distance ? a.distance > b.distance : a.key < b.key;
}

void Keep(const RowChange& change, size_t top, VariableDiff* diff) {
  diff->most.push_back(change);
  std::push_heap(diff->most.begin(), diff->most.end(), Further);
  if (diff->most.size() > top) {
    std::pop_heap(diff->most.begin(), diff->most.end(), Further);
    diff->most.pop_back();
  }
}

bool SameBeside(const VersionRow& a, const VersionRow& b) {
  return a.states == b.states && a.frequency == b.frequency && a.last_update == b.last_update &&
         a.life == b.life && a.served == b.served;
}

void Compare(
    Key key, const VersionRow& before, const VersionRow& after, size_t top, VariableDiff* diff) {
  if (before.values == after.values) {
    ++(SameBeside(before, after) ? diff->same : diff->state_only);
    return;
  }
  ++diff->changed;
  std::vector<float> difference(std::max(before.values.size(), after.values.size()), 0.0F);
  for (size_t i = 0; i < difference.size(); ++i) {
    difference[i] = (i < after.values.size() ? after.values[i] : 0.0F) -
                    (i < before.values.size() ? before.values[i] : 0.0F);
    diff->largest = std::max(diff->largest, std::abs(double{difference[i]}));
  }
  const double distance = Norm(difference);
  diff->squares += distance * distance;
  Keep({.key = key,
        .distance = distance,
        .before = Norm(before.values),
        .after = Norm(after.values)},
       top,
       diff);
}

VariableDiff Compare(const VersionTable& before, const VersionTable& after, size_t top) {
  VariableDiff diff;
  auto old_row = before.rows.begin();
  auto new_row = after.rows.begin();
  while (old_row != before.rows.end() || new_row != after.rows.end()) {
    const bool only_old = new_row == after.rows.end() ||
                          (old_row != before.rows.end() && old_row->first < new_row->first);
    const bool only_new = old_row == before.rows.end() ||
                          (new_row != after.rows.end() && new_row->first < old_row->first);
    if (only_old) {
      ++diff.went;
      const double norm = Norm(old_row->second.values);
      Keep({.key = old_row->first, .distance = norm, .before = norm, .what = "went"}, top, &diff);
      ++old_row;
    } else if (only_new) {
      ++diff.came;
      const double norm = Norm(new_row->second.values);
      Keep({.key = new_row->first, .distance = norm, .after = norm, .what = "came"}, top, &diff);
      ++new_row;
    } else {
      Compare(old_row->first, old_row->second, new_row->second, top, &diff);
      ++old_row;
      ++new_row;
    }
  }
  std::sort(diff.most.begin(), diff.most.end(), Further);
  return diff;
}

std::string Number(double value) {
  return fmt::format("{:.6g}", value);
}

void Print(const std::string& name, const VariableDiff& diff, std::ostream& out) {
  out << fmt::format(
      "{}: {} came, {} went, {} changed, {} in state or metadata alone, {} the same\n",
      name,
      Count(diff.came),
      Count(diff.went),
      Count(diff.changed),
      Count(diff.state_only),
      Count(diff.same));
  if (diff.changed > 0) {
    out << fmt::format("  of the changed: RMS of a row's move {}, largest move of an element {}\n",
                       Number(std::sqrt(diff.squares / static_cast<double>(diff.changed))),
                       Number(diff.largest));
  }
  if (diff.most.empty()) {
    return;
  }
  Table table({{"KEY", true}, {"WHAT"}, {"MOVED", true}, {"NORM BEFORE", true}, {"AFTER", true}});
  for (const RowChange& change : diff.most) {
    table.Add({fmt::format("{:#018x}", change.key),
               change.what,
               Number(change.distance),
               Number(change.before),
               Number(change.after)});
  }
  table.Print(out);
}

void PrintDense(const std::string& name,
                const DenseTensor& before,
                const DenseTensor& after,
                std::ostream& out) {
  double squares = 0.0;
  double largest = 0.0;
  const size_t elements = std::min(before.values.size(), after.values.size());
  for (size_t i = 0; i < elements; ++i) {
    const double moved = double{after.values[i]} - double{before.values[i]};
    squares += moved * moved;
    largest = std::max(largest, std::abs(moved));
  }
  out << fmt::format("{} (dense, {} elements): moved {}, largest move of an element {}\n",
                     name,
                     Count(after.values.size()),
                     Number(std::sqrt(squares)),
                     Number(largest));
}

}  // namespace

Outcome DiffVersions(const Context& context,
                     const std::string& log_directory,
                     const DiffOptions& options) {
  FileSystem& files = context.env.files;
  FRESHET_RETURN_IF_ERROR(CheckLogDirectory(files, log_directory));
  const VersionLog log(files, log_directory);
  FRESHET_ASSIGN_OR_RETURN(VersionModel before,
                           ReadVersion(files, log, VersionId(options.before), options.variable));
  FRESHET_ASSIGN_OR_RETURN(VersionModel after,
                           ReadVersion(files, log, VersionId(options.after), options.variable));
  std::set<std::string> names;
  for (const VersionModel* model : {&before, &after}) {
    for (const auto& [name, table] : model->embeddings) {
      names.insert(name);
    }
  }
  for (const std::string& name : names) {
    Print(name, Compare(before.embeddings[name], after.embeddings[name], options.top), context.out);
  }
  for (const auto& [name, tensor] : after.dense) {
    PrintDense(name, before.dense[name], tensor, context.out);
  }
  if (names.empty() && after.dense.empty()) {
    return options.variable.empty()
               ? Status()
               : NotFound("neither version has a variable '{}'", options.variable);
  }
  return {};
}

}  // namespace freshet::freshetctl
