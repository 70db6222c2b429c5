#include "serving/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace freshet::serving {
namespace {

constexpr uint64_t kMaxCatalogueBytes = uint64_t{4} << 30U;

}  // namespace

// Splits the text into lines and cells. Quoted cells may hold delimiters, line ends and, as "",
// quotes; they are unquoted in place.
class CatalogueReader {
 public:
  CatalogueReader(const CatalogueSettings& settings, std::string* text)
      : settings_(settings), text_(*text) {
    if (text_.starts_with("\xef\xbb\xbf")) {
      at_ = 3;
    }
  }

  bool done() const { return at_ >= text_.size(); }

  // Of the line that Next reads, from 1.
  size_t line() const { return line_; }

  // The cells of the next line; none for an empty line.
  StatusOr<std::vector<Catalogue::Range>> Next() {
    std::vector<Catalogue::Range> cells;
    ++next_line_;
    line_ = next_line_;
    if (AtLineEnd()) {
      SkipLineEnd();
      return cells;
    }
    while (true) {
      FRESHET_ASSIGN_OR_RETURN(
          const Catalogue::Range cell,
          settings_.quoted && !done() && text_[at_] == '"' ? Quoted() : Plain());
      cells.push_back(cell);
      if (AtLineEnd()) {
        SkipLineEnd();
        return cells;
      }
      at_ += settings_.delimiter.size();
    }
  }

 private:
  bool AtDelimiter() const {
    return text_.compare(at_, settings_.delimiter.size(), settings_.delimiter) == 0;
  }

  bool AtLineEnd() const {
    return done() || text_[at_] == '\n' || text_.compare(at_, 2, "\r\n") == 0 ||
           (text_[at_] == '\r' && at_ + 1 == text_.size());
  }

  void SkipLineEnd() {
    while (!done() && text_[at_++] != '\n') {
    }
  }

  StatusOr<Catalogue::Range> Plain() {
    const size_t begin = at_;
    while (!AtLineEnd() && !AtDelimiter()) {
      ++at_;
    }
    return Catalogue::Range{.begin = begin, .size = at_ - begin};
  }

  StatusOr<Catalogue::Range> Quoted() {
    const size_t begin = ++at_;
    size_t end = begin;
    while (true) {
      if (done()) {
        return InvalidArgument("a quote that opens in line {} is never closed", line_);
      }
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') {
          break;
        }
        ++at_;
      } else if (text_[at_] == '\n') {
        ++next_line_;
      }
      text_[end++] = text_[at_++];
    }
    ++at_;
    if (!AtLineEnd() && !AtDelimiter()) {
      return InvalidArgument("after the closing quote should stand '{}' or the end of the line",
                             settings_.delimiter);
    }
    return Catalogue::Range{.begin = begin, .size = end - begin};
  }

  const CatalogueSettings& settings_;
  std::string& text_;
  size_t at_ = 0;
  size_t line_ = 0;
  size_t next_line_ = 0;
};

Status Catalogue::ChooseColumns(const CatalogueSettings& settings,
                                std::vector<std::string> columns) {
  columns_ = std::move(columns);
  const std::optional<size_t> id = ColumnIndex(settings.id_column);
  if (!id.has_value()) {
    return InvalidArgument(
        "no column '{}' for the id; columns: {}", settings.id_column, fmt::join(columns_, ", "));
  }
  id_column_ = *id;
  if (!settings.title_column.empty()) {
    title_column_ = ColumnIndex(settings.title_column);
    if (!title_column_.has_value()) {
      return InvalidArgument("no column '{}' for the title; columns: {}",
                             settings.title_column,
                             fmt::join(columns_, ", "));
    }
  }
  return absl::OkStatus();
}

Status Catalogue::AddItem(std::vector<Range> cells, size_t line) {
  if (cells.size() != columns_.size()) {
    return InvalidArgument(
        "{} cells, should be {}: {}", cells.size(), columns_.size(), fmt::join(columns_, ", "));
  }
  if (size() >= std::numeric_limits<uint32_t>::max()) {
    return InvalidArgument("more items than a catalogue can have");
  }
  cells_.insert(cells_.end(), cells.begin(), cells.end());
  lines_.push_back(static_cast<uint32_t>(line));
  const auto item = static_cast<uint32_t>(size() - 1);
  if (Id(item).empty()) {
    return InvalidArgument("column '{}': an item needs an id", columns_[id_column_]);
  }
  const auto [entry, is_new] = by_id_.emplace(Id(item), item);
  if (!is_new) {
    return InvalidArgument("id '{}' is already in line {}", Id(item), Line(entry->second));
  }
  return absl::OkStatus();
}

std::optional<size_t> Catalogue::ColumnIndex(std::string_view name) const {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  return found == columns_.end()
             ? std::nullopt
             : std::optional<size_t>(static_cast<size_t>(found - columns_.begin()));
}

std::optional<uint32_t> Catalogue::Find(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? std::nullopt : std::optional<uint32_t>(found->second);
}

StatusOr<std::shared_ptr<const Catalogue>> Catalogue::Parse(const CatalogueSettings& settings,
                                                            std::string text) {
  std::shared_ptr<Catalogue> catalogue(new Catalogue());
  catalogue->path_ = settings.path;
  catalogue->text_ = std::move(text);
  CatalogueReader reader(settings, &catalogue->text_);
  const auto failed = [&](const Status& status) {
    return Annotate(status, fmt::format("catalogue {}, line {}", settings.path, reader.line()));
  };
  std::vector<std::string> columns = settings.columns;
  if (settings.header && !reader.done()) {
    const auto cells = reader.Next();
    if (!cells.ok()) {
      return failed(cells.status());
    }
    if (columns.empty()) {
      for (const Range& cell : *cells) {
        columns.push_back(catalogue->text_.substr(cell.begin, cell.size));
      }
    }
  }
  if (const Status chosen = catalogue->ChooseColumns(settings, std::move(columns)); !chosen.ok()) {
    return Annotate(chosen, "catalogue " + settings.path);
  }
  while (!reader.done()) {
    auto cells = reader.Next();
    if (!cells.ok()) {
      return failed(cells.status());
    }
    if (cells->empty()) {
      continue;
    }
    if (const Status added = catalogue->AddItem(*std::move(cells), reader.line()); !added.ok()) {
      return failed(added);
    }
  }
  return catalogue;
}

StatusOr<std::shared_ptr<const Catalogue>> Catalogue::Load(FileSystem& files,
                                                           const CatalogueSettings& settings) {
  StatusOr<std::string> text = ReadFile(files, settings.path, kMaxCatalogueBytes);
  if (!text.ok()) {
    return Annotate(text.status(), "catalogue");
  }
  return Parse(settings, *std::move(text));
}

}  // namespace freshet::serving
