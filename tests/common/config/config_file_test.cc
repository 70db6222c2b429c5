#include "common/config/config_file.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using freshet::ConfigFile;
using freshet::ConfigSection;
using freshet::MessageOf;
using freshet::Status;

namespace {

std::unique_ptr<ConfigFile> Parse(const std::string& text) {
  auto file = ConfigFile::Parse("conf/a.yaml", text);
  INFO(text);
  REQUIRE(file.ok());
  return *std::move(file);
}

std::string ParseError(const std::string& text) {
  const auto file = ConfigFile::Parse("conf/a.yaml", text);
  REQUIRE_FALSE(file.ok());
  CHECK(file.status().code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(file.status());
}

// The message of Finish, or "" if all is well.
std::string Errors(ConfigFile& file) {
  const Status status = file.Finish();
  CHECK((status.ok() || status.code() == absl::StatusCode::kInvalidArgument));
  return MessageOf(status);
}

// Reads key k as T and returns the errors.
template <typename T>
std::string ErrorsOf(const std::string& text) {
  const auto file = Parse(text);
  T value{};
  file->root().Optional("k", &value);
  return Errors(*file);
}

}  // namespace

TEST_CASE("values of every kind are read", "[config]") {
  const auto file = Parse(R"(
truth: true
whole: -3
large: 18446744073709551615
port: 8080
real: 2.5
small: 1e-3
text: some words
quoted: "7"
words: [a, "b c"]
numbers:
  - 1
  - 2.5
wait: 250ms
room: 2KiB
)");
  const ConfigSection root = file->root();
  bool truth = false;
  root.Required("truth", &truth);
  CHECK(truth);
  int whole = 0;
  root.Required("whole", &whole);
  CHECK(whole == -3);
  uint64_t large = 0;
  root.Required("large", &large);
  CHECK(large == 18446744073709551615U);
  uint16_t port = 0;
  root.Required("port", &port);
  CHECK(port == 8080);
  double real = 0;
  root.Required("real", &real);
  CHECK(real == 2.5);
  float small = 0;
  root.Required("small", &small);
  CHECK(small == 1e-3F);
  std::string text;
  root.Required("text", &text);
  CHECK(text == "some words");
  root.Required("quoted", &text);
  CHECK(text == "7");
  std::vector<std::string> words;
  root.Required("words", &words);
  CHECK(words == std::vector<std::string>{"a", "b c"});
  std::vector<double> numbers;
  root.Required("numbers", &numbers);
  CHECK(numbers == std::vector<double>{1, 2.5});
  int64_t wait = 0;
  root.Milliseconds("wait", &wait);
  CHECK(wait == 250);
  uint64_t room = 0;
  root.Bytes("room", &room);
  CHECK(room == 2048);
  CHECK(Errors(*file) == "");
}

TEST_CASE("an absent key leaves the default", "[config]") {
  const auto file = Parse("a: 1\n");
  int value = 42;
  file->root().Optional("b", &value);
  file->root().Section("c").Optional("d", &value);
  CHECK(value == 42);
  CHECK_FALSE(file->root().Has("b"));
  CHECK(file->root().Has("a"));
  CHECK(Errors(*file) == "");
}

TEST_CASE("a wrong value leaves the default, and is an error with line and key", "[config]") {
  const auto file = Parse("\n\nk: many\n");
  uint32_t value = 42;
  file->root().Optional("k", &value);
  CHECK(value == 42);
  CHECK(Errors(*file) == "conf/a.yaml:3: 'k' must be a whole number of at least 0, got 'many'");
}

TEST_CASE("each kind says what it must be", "[config]") {
  CHECK(ErrorsOf<bool>("k: yes") == "conf/a.yaml:1: 'k' must be true or false, got 'yes'");
  CHECK(ErrorsOf<int>("k: 1.5") == "conf/a.yaml:1: 'k' must be a whole number, got '1.5'");
  CHECK(ErrorsOf<uint32_t>("k: -1") ==
        "conf/a.yaml:1: 'k' must be a whole number of at least 0, got '-1'");
  CHECK(ErrorsOf<uint16_t>("k: 65536") ==
        "conf/a.yaml:1: 'k' must be a whole number of at most 65535, got '65536'");
  CHECK(ErrorsOf<double>("k: nan") == "conf/a.yaml:1: 'k' must be a number, got 'nan'");
  CHECK(ErrorsOf<std::string>("k: [a]") == "conf/a.yaml:1: 'k' must be a value, got a list");
  CHECK(ErrorsOf<std::string>("k: {a: b}") == "conf/a.yaml:1: 'k' must be a value, got a map");
  CHECK(ErrorsOf<std::string>("k:") == "conf/a.yaml:1: 'k' must be a value, got nothing");
  CHECK(ErrorsOf<std::string>("k: ~") == "conf/a.yaml:1: 'k' must be a value, got nothing");
  CHECK(ErrorsOf<std::vector<std::string>>("k: a") ==
        "conf/a.yaml:1: 'k' must be a list, got a value");
  CHECK(ErrorsOf<std::vector<double>>("k:\n  - 1\n  - x\n") ==
        "conf/a.yaml:3: entry 2 of 'k' must be a number, got 'x'");
}

TEST_CASE("ranges, durations, bytes and choices say what is right", "[config]") {
  const auto file = Parse("a: 0\nb: 2\nc: 5\nd: 1KB\ne: aps\nf: zebra\n");
  const ConfigSection root = file->root();
  uint32_t whole = 1;
  root.InRange("a", 1U, 64U, &whole);
  double real = 0.5;
  root.InRange("b", 0.0, 1.0, &real);
  int64_t wait = 1;
  root.Milliseconds("c", &wait);
  uint64_t room = 1;
  root.Bytes("d", &room);
  size_t choice = 7;
  root.Choice("e", {"asp", "bsp"}, &choice);
  root.Choice("f", {"asp", "bsp"}, &choice);
  CHECK(choice == 7);
  CHECK(Errors(*file) ==
        "conf/a.yaml:1: 'a' must be a whole number from 1 to 64, got '0'\n"
        "conf/a.yaml:2: 'b' must be a number from 0 to 1, got '2'\n"
        "conf/a.yaml:3: 'c' must be a duration, as in 250ms, 5s or 2m, got '5'\n"
        "conf/a.yaml:4: 'd' must be a number of bytes, as in 4096, 512KiB or 2GiB, got '1KB'\n"
        "conf/a.yaml:5: 'e' cannot be 'aps'; did you mean 'asp'?\n"
        "conf/a.yaml:6: 'f' cannot be 'zebra'; known: asp, bsp");
}

TEST_CASE("keys that nobody asked for are errors with the nearest known key", "[config]") {
  const auto file = Parse("model:\n  kind: fm\n  optimiser: {}\nzebra: 1\n");
  std::string kind;
  const ConfigSection model = file->root().Section("model");
  model.Required("kind", &kind);
  model.Section("optimizer");
  CHECK(Errors(*file) ==
        "conf/a.yaml:3: unknown key 'optimiser' in 'model'; did you mean 'optimizer'?\n"
        "conf/a.yaml:4: unknown key 'zebra'; known: model");
}

TEST_CASE("unknown keys are found in lists, free keys and nested sections", "[config]") {
  const auto file = Parse(R"(slots:
  - name: a
  - name: b
    colunm: c
free:
  one: {x: 1}
  two: {y: 1}
deep:
  er:
    stray: 1
)");
  const ConfigSection root = file->root();
  for (const ConfigSection& slot : root.Sections("slots")) {
    std::string text;
    slot.Required("name", &text);
    slot.Optional("column", &text);
  }
  for (const auto& [name, section] : root.Entries("free")) {
    int x = 0;
    section.Optional("x", &x);
  }
  root.Section("deep").Section("er");
  CHECK(Errors(*file) ==
        "conf/a.yaml:4: unknown key 'colunm' in 'slots[1]'; did you mean 'column'?\n"
        "conf/a.yaml:7: unknown key 'y' in 'free.two'; known: x\n"
        "conf/a.yaml:10: unknown key 'stray' in 'deep.er'; none is known here");
  CHECK(file->known_keys() ==
        std::set<std::string>{
            "deep", "deep.er", "free", "free[].x", "slots", "slots[].column", "slots[].name"});
}

TEST_CASE("a missing key is reported at its section", "[config]") {
  const auto file = Parse("a: 1\nmodel:\n  x: 1\n");
  int value = 0;
  file->root().Required("a", &value);
  file->root().Section("model").Optional("x", &value);
  file->root().Section("model").Required("kind", &value);
  file->root().Section("stream").Required("path", &value);
  file->root().Required("b", &value);
  CHECK(Errors(*file) ==
        "conf/a.yaml:1: 'path' is missing in 'stream'\n"
        "conf/a.yaml:1: 'b' is missing\n"
        "conf/a.yaml:2: 'kind' is missing in 'model'");
}

TEST_CASE("sections of the wrong kind are errors, told once", "[config]") {
  const auto file = Parse("a: 1\nb: {x: 1}\nc: [1]\nd: 3\ne:\n");
  const ConfigSection root = file->root();
  int value = 0;
  root.Section("a").Optional("x", &value);
  root.Section("a").Optional("y", &value);
  CHECK(root.Sections("b").empty());
  CHECK(root.Sections("c").empty());
  CHECK(root.Entries("d").empty());
  root.Section("e").Optional("x", &value);  // an empty section is fine
  CHECK(Errors(*file) ==
        "conf/a.yaml:1: 'a' must be a map, got a value\n"
        "conf/a.yaml:2: 'b' must be a list, got a map\n"
        "conf/a.yaml:3: entry 1 of 'c' must be a map, got a value\n"
        "conf/a.yaml:4: 'd' must be a map, got a value");
}

TEST_CASE("errors of the caller carry file, line and key", "[config]") {
  const auto file = Parse("a: 1\n\nb: 2\n");
  file->root().Fail("b", "must be less than 'a'");
  file->root().Fail("c", "must be there");
  CHECK(Errors(*file) ==
        "conf/a.yaml:1: 'c' must be there\n"
        "conf/a.yaml:1: unknown key 'a'; known: b, c\n"
        "conf/a.yaml:3: 'b' must be less than 'a'");
}

TEST_CASE("finishing twice tells the same", "[config]") {
  const auto file = Parse("a: 1\n");
  const std::string first = Errors(*file);
  CHECK(first == "conf/a.yaml:1: unknown key 'a'; none is known here");
  CHECK(Errors(*file) == first);
}

TEST_CASE("keys given twice, anchors, aliases and tags are errors", "[config]") {
  const auto file = Parse("k: 1\nk: 2\nm: &name {}\nn: *name\no: !!str 3\n");
  int k = 0;
  std::string text;
  file->root().Optional("k", &k);
  CHECK(k == 1);
  file->root().Section("m");
  file->root().Section("n");
  file->root().Optional("o", &text);
  CHECK(Errors(*file) ==
        "conf/a.yaml:2: 'k' is given twice, first in line 1\n"
        "conf/a.yaml:3: anchors (&name) are not supported\n"
        "conf/a.yaml:4: aliases (*name) are not supported; write the value out\n"
        "conf/a.yaml:5: the tag tag:yaml.org,2002:str is not supported");
}

TEST_CASE("keys that are no words, and second documents, are errors", "[config]") {
  const auto complex = Parse("{[a]: 1}\n");
  CHECK(Errors(*complex).starts_with("conf/a.yaml:1: a key must be a word, not a list"));
  const auto two = Parse("a: 1\n---\nb: 2\n");
  int value = 0;
  two->root().Optional("a", &value);
  CHECK(Errors(*two) == "conf/a.yaml:3: a second document begins here; one is read");
}

TEST_CASE("what is not YAML is refused with its line", "[config]") {
  CHECK(ParseError("a: 1\nb: [1, 2\n").starts_with("conf/a.yaml:3: not YAML: "));
  CHECK(ParseError("a: 1\n  b: 2\n").starts_with("conf/a.yaml:2: not YAML: "));
  const std::string open = ": not YAML: the document ends inside quotes";
  CHECK(ParseError("a: \"open\nb: 1\n") == "conf/a.yaml:3" + open);
  CHECK(ParseError("a: 'open") == "conf/a.yaml:2" + open);
  CHECK(ParseError("just text\n") == "conf/a.yaml:1: a config is a map of keys, got a value");
  CHECK(ParseError("- a\n") == "conf/a.yaml:1: a config is a map of keys, got a list");
}

TEST_CASE("deep nesting is refused, not followed to the end of the stack", "[config]") {
  CHECK(ParseError(std::string(200'000, '[')).starts_with("conf/a.yaml:"));
  std::string nested;
  for (int i = 0; i < 20'000; ++i) {
    nested += "{a: ";
  }
  CHECK(ParseError(nested).starts_with("conf/a.yaml:"));
}

TEST_CASE("a last line without a line end is read", "[config]") {
  const auto file = Parse("a: x y");
  std::string text;
  file->root().Required("a", &text);
  CHECK(text == "x y");
  CHECK(Errors(*file) == "");
}

TEST_CASE("an empty file is an empty map", "[config]") {
  for (const char* text : {"", "# only a comment\n", "---\n"}) {
    const auto file = Parse(text);
    int value = 0;
    file->root().Required("a", &value);
    CHECK(Errors(*file) == "conf/a.yaml:1: 'a' is missing");
  }
}

TEST_CASE("variables of the environment stand in values of every kind", "[config]") {
  ::setenv("FRESHET_TEST_PORT", "81", 1);
  ::unsetenv("FRESHET_TEST_UNSET");
  const auto file = Parse(R"(port: ${FRESHET_TEST_PORT}
paths: ["${FRESHET_TEST_UNSET:-x}/y"]
wait: ${FRESHET_TEST_PORT}ms
none: a/${FRESHET_TEST_UNSET}
)");
  const ConfigSection root = file->root();
  uint16_t port = 0;
  root.Optional("port", &port);
  CHECK(port == 81);
  std::vector<std::string> paths;
  root.Optional("paths", &paths);
  CHECK(paths == std::vector<std::string>{"x/y"});
  int64_t wait = 0;
  root.Milliseconds("wait", &wait);
  CHECK(wait == 81);
  std::string none = "default";
  root.Optional("none", &none);
  CHECK(none == "default");
  CHECK(Errors(*file) ==
        "conf/a.yaml:4: 'none': the environment variable FRESHET_TEST_UNSET is not set; set it, or "
        "give a default as ${FRESHET_TEST_UNSET:-default}");
}

TEST_CASE("paths are as seen from the file's folder", "[config]") {
  const auto file = ConfigFile::Parse("/etc/freshet/a.yaml", "");
  REQUIRE(file.ok());
  CHECK((*file)->Resolve("b.yaml") == "/etc/freshet/b.yaml");
  CHECK((*file)->Resolve("../run/./x") == "/etc/run/x");
  CHECK((*file)->Resolve("/var/x") == "/var/x");
  CHECK((*file)->absolute_path() == "/etc/freshet/a.yaml");
}

TEST_CASE("a file that is not there is NotFound", "[config]") {
  const auto file = ConfigFile::Load(freshet::LocalFileSystem(), "/no/such.yaml");
  CHECK(absl::IsNotFound(file.status()));
}
