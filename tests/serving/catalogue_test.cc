#include "serving/catalogue.h"

#include <catch2/catch.hpp>

namespace freshet::serving {
namespace {

CatalogueSettings Settings() {
  CatalogueSettings settings;
  settings.path = "movies.csv";
  settings.quoted = true;
  settings.columns = {"id", "title", "genres"};
  settings.id_column = "id";
  settings.title_column = "title";
  return settings;
}

std::shared_ptr<const Catalogue> Read(const CatalogueSettings& settings, const std::string& text) {
  auto catalogue = Catalogue::Parse(settings, text);
  INFO(catalogue.status().ToString());
  REQUIRE(catalogue.ok());
  return *catalogue;
}

std::string ErrorOf(const CatalogueSettings& settings, const std::string& text) {
  const auto catalogue = Catalogue::Parse(settings, text);
  REQUIRE(catalogue.status().code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(catalogue.status());
}

}  // namespace

TEST_CASE("a catalogue is read with and without quotes", "[serving]") {
  const auto catalogue =
      Read(Settings(), "1,Heat,Crime|Drama\n2,\"Player, The \"\"90s\"\"\",\n\n3,\"a\nb\",x\r\n");
  REQUIRE(catalogue->size() == 3);
  CHECK(catalogue->Title(0) == "Heat");
  CHECK(catalogue->Cell(0, 2) == "Crime|Drama");
  CHECK(catalogue->Title(1) == "Player, The \"90s\"");
  CHECK(catalogue->Cell(1, 2).empty());
  CHECK(catalogue->Title(2) == "a\nb");
  CHECK(catalogue->Cell(2, 2) == "x");
  CHECK(catalogue->Line(1) == 2);
  CHECK(catalogue->Line(2) == 4);
  CHECK(catalogue->Find("3") == 2);
  CHECK_FALSE(catalogue->Find("4").has_value());
}

TEST_CASE("a catalogue may have a header, a mark of UTF-8 and longer delimiters", "[serving]") {
  CatalogueSettings settings = Settings();
  settings.header = true;
  CHECK(Read(settings, "\xef\xbb\xbfmovieId,name,g\n7,Seven,\n")->Find("7") == 0);
  settings.columns.clear();
  settings.id_column = "movieId";
  settings.title_column = "name";
  CHECK(Read(settings, "movieId,name,g\n7,Seven,\n")->Title(0) == "Seven");
  CatalogueSettings colons = Settings();
  colons.delimiter = "::";
  colons.quoted = false;
  CHECK(Read(colons, "1::\"Heat\": 1::Crime")->Title(0) == "\"Heat\": 1");
}

TEST_CASE("a catalogue without titles has empty ones", "[serving]") {
  CatalogueSettings settings = Settings();
  settings.title_column = "";
  const auto catalogue = Read(settings, "1,Heat,Crime\n");
  CHECK_FALSE(catalogue->has_titles());
  CHECK(catalogue->Title(0).empty());
}

TEST_CASE("what is wrong with a catalogue is said with file and line", "[serving]") {
  const CatalogueSettings settings = Settings();
  CHECK(ErrorOf(settings, "1,a,b\n2,c\n") ==
        "catalogue movies.csv, line 2: 2 cells, should be 3: id, title, genres");
  CHECK(ErrorOf(settings, "1,a,b\n,a,b\n") ==
        "catalogue movies.csv, line 2: column 'id': an item needs an id");
  CHECK(ErrorOf(settings, "1,\"a\nb\",c\n1,a,b\n") ==
        "catalogue movies.csv, line 3: id '1' is already in line 1");
  CHECK(ErrorOf(settings, "1,\"a\"b,c\n").find("line 1: after the closing quote") !=
        std::string::npos);
  CHECK(ErrorOf(settings, "1,\"a,c\n2,b,c\n").find("opens in line 1 is never closed") !=
        std::string::npos);
  CatalogueSettings other = settings;
  other.id_column = "isbn";
  CHECK(ErrorOf(other, "1,a,b\n") ==
        "catalogue movies.csv: no column 'isbn' for the id; columns: id, title, genres");
}

TEST_CASE("a catalogue that is not there is an error with its path", "[serving]") {
  CatalogueSettings settings = Settings();
  settings.path = "/no/such/file.csv";
  const auto catalogue = Catalogue::Load(LocalFileSystem(), settings);
  CHECK(catalogue.status().code() == absl::StatusCode::kNotFound);
  CHECK(MessageOf(catalogue.status()).find(settings.path) != std::string::npos);
}

}  // namespace freshet::serving
