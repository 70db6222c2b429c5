#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/cluster/cluster_config.h"
#include "common/env/file_system.h"
#include "common/status.h"

namespace freshet::serving {

// The items that can be recommended, as read from a delimited file. Items are numbered in the order
// of the file. Immutable after construction.
class Catalogue {
 public:
  // Errors name the file and the line. NotFound: no such file.
  static StatusOr<std::shared_ptr<const Catalogue>> Load(FileSystem& files,
                                                         const CatalogueSettings& settings);
  // `text` is the content of settings.path.
  static StatusOr<std::shared_ptr<const Catalogue>> Parse(const CatalogueSettings& settings,
                                                          std::string text);

  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  const std::string& path() const { return path_; }

  size_t size() const { return lines_.size(); }

  const std::vector<std::string>& columns() const { return columns_; }

  std::optional<size_t> ColumnIndex(std::string_view name) const;

  std::string_view Cell(size_t item, size_t column) const {
    const Range& range = cells_[item * columns_.size() + column];
    return std::string_view(text_).substr(range.begin, range.size);
  }

  std::string_view Id(size_t item) const { return Cell(item, id_column_); }

  // Empty if the catalogue has no titles.
  std::string_view Title(size_t item) const {
    return title_column_.has_value() ? Cell(item, *title_column_) : std::string_view();
  }

  bool has_titles() const { return title_column_.has_value(); }

  // Where in the file the item stands, from 1.
  size_t Line(size_t item) const { return lines_[item]; }

  std::optional<uint32_t> Find(std::string_view id) const;

 private:
  struct Range {
    size_t begin = 0;
    size_t size = 0;
  };

  Catalogue() = default;

  Status ChooseColumns(const CatalogueSettings& settings, std::vector<std::string> columns);
  Status AddItem(std::vector<Range> cells, size_t line);

  friend class CatalogueReader;

  std::string path_;
  std::string text_;  // unquoted in place: cells point into it
  std::vector<std::string> columns_;
  size_t id_column_ = 0;
  std::optional<size_t> title_column_;
  std::vector<Range> cells_;  // [items * columns]
  std::vector<uint32_t> lines_;
  std::unordered_map<std::string_view, uint32_t> by_id_;  // views of text_
};

}  // namespace freshet::serving
