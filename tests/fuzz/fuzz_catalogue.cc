#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "serving/catalogue.h"

// An input is the settings (one byte), then the text of a catalogue. Either there is a catalogue,
// whose items are found by their ids, or an error that says where.
namespace freshet::serving {
namespace {

CatalogueSettings SettingsOf(uint8_t byte) {
  CatalogueSettings settings;
  settings.path = "items.csv";
  settings.quoted = byte % 2 == 1;
  settings.header = byte / 2 % 2 == 1;
  settings.delimiter = byte / 4 % 2 == 1 ? "::" : ",";
  if (byte / 8 % 2 == 0) {
    settings.columns = {"movie", "title", "genre"};
  }
  settings.id_column = "movie";
  settings.title_column = byte / 16 % 2 == 1 ? "title" : "";
  return settings;
}

void CheckItems(const Catalogue& catalogue, size_t text_bytes) {
  size_t bytes = 0;
  for (size_t item = 0; item < catalogue.size(); ++item) {
    FRESHET_CHECK(catalogue.Find(catalogue.Id(item)) == item);
    FRESHET_CHECK(catalogue.Line(item) >= 1 && catalogue.Line(item) <= text_bytes);
    for (size_t column = 0; column < catalogue.columns().size(); ++column) {
      bytes += catalogue.Cell(item, column).size();
    }
    FRESHET_CHECK(catalogue.Title(item).size() <= text_bytes);
  }
  FRESHET_CHECK(bytes <= text_bytes);
}

void Check(uint8_t settings, const std::string& text) {
  const auto catalogue = Catalogue::Parse(SettingsOf(settings), text);
  if (catalogue.ok()) {
    CheckItems(**catalogue, text.size());
  } else {
    FRESHET_CHECK(absl::IsInvalidArgument(catalogue.status()));
    FRESHET_CHECK(MessageOf(catalogue.status()).starts_with("catalogue items.csv"));
  }
}

}  // namespace
}  // namespace freshet::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size >= 1) {
    freshet::serving::Check(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
