#include "freshetctl/table.h"

#include <algorithm>
#include <utility>

#include "common/check.h"

namespace freshet::freshetctl {

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::Add(std::vector<std::string> cells) {
  FRESHET_CHECK(cells.size() == columns_.size());
  for (std::string& cell : cells) {
    if (cell.empty()) {
      cell = "-";
    }
  }
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out) const {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    titles.push_back(columns_[i].title);
    widths.push_back(titles[i].size());
    for (const std::vector<std::string>& row : rows_) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  const auto print = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - cells[i].size(), ' ');
      line += (i == 0 ? "" : "  ");
      line += columns_[i].right ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  };
  print(titles);
  for (const std::vector<std::string>& row : rows_) {
    print(row);
  }
}

}  // namespace freshet::freshetctl
