#pragma once
#include <ostream>
#include <string>
#include <vector>

namespace freshet::freshetctl {

// Rows of text in aligned columns, two spaces apart.
class Table {
 public:
  struct Column {
    std::string title;
    bool right = false;  // aligned to the right, as numbers are
  };

  explicit Table(std::vector<Column> columns);

  // As many cells as there are columns; an empty one is printed as "-".
  void Add(std::vector<std::string> cells);
  void Print(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace freshet::freshetctl
