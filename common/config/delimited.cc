#include "common/config/delimited.h"

#include <algorithm>
#include <set>

#include "common/config/nearest.h"

namespace freshet {

void ReadDelimited(const ConfigSection& section, DelimitedKeys* keys) {
  section.Optional("delimiter", &keys->delimiter);
  section.Optional("quoted", &keys->quoted);
  section.Required("columns", &keys->columns);
  if (keys->delimiter == "tab" || keys->delimiter == "\\t") {
    keys->delimiter = "\t";
  }
  if (keys->delimiter.empty()) {
    section.Fail("delimiter", "must not be empty");
  }
  if (keys->delimiter.find_first_of("\r\n") != std::string::npos) {
    section.Fail("delimiter", "must not hold a line end");
  }
  if (keys->quoted && keys->delimiter.find('"') != std::string::npos) {
    section.Fail("delimiter", "must not hold a quote when columns are quoted");
  }
  std::set<std::string> names;
  for (const std::string& name : keys->columns) {
    if (name.empty()) {
      section.Fail("columns", "must not hold an empty name");
    } else if (!names.insert(name).second) {
      section.Fail("columns", fmt::format("must be distinct, but '{}' is there twice", name));
    }
  }
  if (keys->columns.empty() && section.Has("columns")) {
    section.Fail("columns", "must name at least one column");
  }
}

void ReadColumn(const ConfigSection& section,
                const std::string& key,
                const std::vector<std::string>& columns,
                bool required,
                std::string* column) {
  if (required) {
    section.Required(key, column);
  } else {
    section.Optional(key, column);
  }
  if (!section.Has(key) || columns.empty()) {
    return;  // what is wrong then has been said
  }
  if (column->empty() && !required) {
    return;
  }
  if (std::find(columns.begin(), columns.end(), *column) == columns.end()) {
    section.Fail(key,
                 fmt::format("names no column: '{}'; {}", *column, Suggestion(*column, columns)));
  }
}

}  // namespace freshet
