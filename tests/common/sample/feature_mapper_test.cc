#include "common/sample/feature_mapper.h"

#include "tests/common/sample/slots.h"

using freshet::Feature;
using freshet::FeatureMapper;
using freshet::Key;
using freshet::MessageOf;
using freshet::proto::Slot;
using freshet::test::KeyOf;
using freshet::test::KeysOf;
using freshet::test::MakeMapper;
using freshet::test::MapperOf;
using freshet::test::PlainSlot;

namespace {

Slot BucketSlot(const std::string& name, const std::vector<double>& buckets) {
  Slot slot = PlainSlot(name);
  slot.mutable_buckets()->Assign(buckets.begin(), buckets.end());
  return slot;
}

Slot LogSlot(const std::string& name) {
  Slot slot = PlainSlot(name);
  slot.set_log_bucket(true);
  return slot;
}

Slot ListSlot(const std::string& name, const std::string& separator) {
  Slot slot = PlainSlot(name);
  slot.set_separator(separator);
  return slot;
}

std::vector<Key> Map(const Slot& slot, std::string_view raw) {
  std::vector<Feature> features;
  const auto status = MapperOf({slot}).Map(0, raw, &features);
  INFO(status);
  CHECK(status.ok());
  return KeysOf(features);
}

std::string MapError(const Slot& slot, std::string_view raw) {
  std::vector<Feature> features;
  const auto status = MapperOf({slot}).Map(0, raw, &features);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  return MessageOf(status);
}

}  // namespace

// Keys are persisted: if one of these fails, the code is wrong, not the test.
TEST_CASE("keys are what they have always been", "[sample][golden]") {
  CHECK(freshet::SlotSeed("movie") == 0x3e2838d07ff069faU);
  CHECK(freshet::SlotSeed("") == 0x2d06800538d394c2U);
  CHECK(Map(PlainSlot("movie"), "1") == std::vector<Key>{0xed6cb0d8f7d93042U});
  CHECK(Map(PlainSlot("movie"), "296") == std::vector<Key>{0x8672f69dd65cfb9fU});
  CHECK(Map(PlainSlot("user"), "1") == std::vector<Key>{0x16c5dace5eb95e50U});
  CHECK(Map(ListSlot("genre", "|"), "Drama|War") ==
        std::vector<Key>{0xc8f0d6ea6d9f8e26U, 0x25c90b22e189ef9cU});
  CHECK(Map(LogSlot("I1"), "2") == std::vector<Key>{0xd3a0979b234f11f7U});     // =2
  CHECK(Map(LogSlot("I1"), "0") == std::vector<Key>{0x5043e582d309bd2dU});     // =0
  CHECK(Map(LogSlot("I1"), "-1.5") == std::vector<Key>{0x158d017e93914718U});  // =-2
  CHECK(Map(LogSlot("I1"), "3") == std::vector<Key>{0x306127b6cd7cf160U});     // 1
  CHECK(Map(LogSlot("I1"), "100") == std::vector<Key>{0xe8b1032ded4ee556U});   // 21
  const Slot age = BucketSlot("age", {18, 25});
  CHECK(Map(age, "17.9") == std::vector<Key>{0x047f2a9e170af89bU});
  CHECK(Map(age, "18") == std::vector<Key>{0xbbee8d86562ab379U});
  CHECK(Map(age, "40") == std::vector<Key>{0xc8c5dad1743ed587U});
}

TEST_CASE("a plain slot hashes the bytes as they are", "[sample]") {
  CHECK(Map(PlainSlot("s"), " 7 ") == std::vector<Key>{KeyOf("s", " 7 ")});
  CHECK(Map(PlainSlot("s"), "07") != Map(PlainSlot("s"), "7"));
  CHECK(Map(PlainSlot("s"), std::string_view("\0x", 2)) ==
        std::vector<Key>{KeyOf("s", std::string("\0x", 2))});
  CHECK(Map(PlainSlot("s"), "a|b") == std::vector<Key>{KeyOf("s", "a|b")});
}

TEST_CASE("an empty value makes no feature, in any slot", "[sample]") {
  CHECK(Map(PlainSlot("s"), "").empty());
  CHECK(Map(ListSlot("s", "|"), "").empty());
  CHECK(Map(BucketSlot("s", {1}), "").empty());
  CHECK(Map(LogSlot("s"), "").empty());
}

TEST_CASE("a separator makes a feature of each piece that is not empty", "[sample]") {
  CHECK(Map(ListSlot("s", "|"), "a|b|a") ==
        std::vector<Key>{KeyOf("s", "a"), KeyOf("s", "b"), KeyOf("s", "a")});
  CHECK(Map(ListSlot("s", "|"), "||a||") == std::vector<Key>{KeyOf("s", "a")});
  CHECK(Map(ListSlot("s", ", "), "a, b,c") == std::vector<Key>{KeyOf("s", "a"), KeyOf("s", "b,c")});
  Slot years = BucketSlot("s", {1990, 2000});
  years.set_separator(";");
  CHECK(Map(years, "1985;2005") == std::vector<Key>{KeyOf("s", "0"), KeyOf("s", "2")});
}

TEST_CASE("a bucket is the index of the first boundary above the number", "[sample]") {
  const Slot slot = BucketSlot("s", {-1, 0, 2.5});
  const std::vector<std::pair<const char*, const char*>> expected = {{"-1e9", "0"},
                                                                     {"-1.01", "0"},
                                                                     {"-1", "1"},
                                                                     {"-0.5", "1"},
                                                                     {"-0", "2"},
                                                                     {"+2.49", "2"},
                                                                     {"2.5", "3"},
                                                                     {"1e300", "3"}};
  for (const auto& [number, bucket] : expected) {
    INFO(number);
    CHECK(Map(slot, number) == std::vector<Key>{KeyOf("s", bucket)});
  }
}

TEST_CASE("a log bucket keeps small counts apart, and large ones by magnitude", "[sample]") {
  const std::vector<std::pair<const char*, const char*>> expected = {
      {"-9007199254740993e10", "=-9007199254740992"},
      {"-3", "=-3"},
      {"-0.5", "=-1"},
      {"-0", "=0"},
      {"0.9", "=0"},
      {"1", "=1"},
      {"2.0", "=2"},
      {"2.5", "0"},
      {"4", "1"},
      {"5", "2"},
      {"8", "4"},
      {"1000", "47"},
      {"65535", "122"},
      {"1e6", "190"},
      {"1.7976931348623157e308", "503791"}};
  for (const auto& [number, bucket] : expected) {
    INFO(number);
    CHECK(Map(LogSlot("s"), number) == std::vector<Key>{KeyOf("s", bucket)});
  }
}

TEST_CASE("a text that is no number is named, in slots that need one", "[sample]") {
  CHECK(MapError(LogSlot("I1"), "many") == "slot 'I1' needs a number, got 'many'");
  CHECK(MapError(BucketSlot("age", {1}), "nan") == "slot 'age' needs a number, got 'nan'");
  CHECK(MapError(LogSlot("I1"), "\x1b[2J\xff") == "slot 'I1' needs a number, got '\\x1b[2J\\xff'");
  CHECK(MapError(LogSlot("I1"), std::string(1000, 'x')) ==
        "slot 'I1' needs a number, got '" + std::string(60, 'x') + "...'");
}

TEST_CASE("features name their slot, and equal values of two slots differ", "[sample]") {
  const FeatureMapper mapper = MapperOf({PlainSlot("a"), PlainSlot("b")});
  std::vector<Feature> features;
  REQUIRE(mapper.Map(0, "x", &features).ok());
  REQUIRE(mapper.Map(1, "x", &features).ok());
  REQUIRE(features.size() == 2);  // appended
  CHECK(features[0].slot == 0);
  CHECK(features[1].slot == 1);
  CHECK(features[0].value == 1.0F);
  CHECK(features[0].key != features[1].key);
}

TEST_CASE("slots are found by name, and a misspelt one names the nearest", "[sample]") {
  const FeatureMapper mapper = MapperOf({PlainSlot("user"), PlainSlot("movie")});
  CHECK(mapper.slot_count() == 2);
  CHECK(*mapper.SlotIndex("movie") == 1);
  CHECK(MessageOf(mapper.SlotIndex("move").status()) ==
        "no slot is named 'move'; did you mean 'movie'?");
  CHECK(MessageOf(mapper.SlotIndex("zebra").status()) ==
        "no slot is named 'zebra'; known: user, movie");
}

TEST_CASE("slots that cannot work are refused", "[sample]") {
  CHECK(MessageOf(MakeMapper({PlainSlot("")}).status()) == "a slot has no name");
  CHECK(MessageOf(MakeMapper({PlainSlot("a"), PlainSlot("a")}).status()) ==
        "two slots are named 'a'");
  CHECK(MessageOf(MakeMapper({BucketSlot("a", {1, 1})}).status()) ==
        "slot 'a': buckets must be finite and grow, but entry 2 is 1");
  Slot both = BucketSlot("a", {1});
  both.set_log_bucket(true);
  CHECK(MessageOf(MakeMapper({both}).status()) == "slot 'a' has both buckets and log_bucket");
}

namespace {

std::vector<float> ValuesOf(const std::vector<Feature>& features) {
  std::vector<float> values;
  for (const Feature& feature : features) {
    values.push_back(feature.value);
  }
  return values;
}

std::vector<Feature> FeaturesOf(const Slot& slot, std::string_view raw) {
  std::vector<Feature> features = {{.key = 1}};  // of another slot: stays as it is
  CHECK(MapperOf({slot}).Map(0, raw, &features).ok());
  CHECK(features.front().key == 1);
  CHECK(features.front().value == 1.0F);
  features.erase(features.begin());
  return features;
}

}  // namespace

TEST_CASE("a combiner weighs the values of a slot", "[sample]") {
  Slot slot = ListSlot("tags", "|");
  CHECK(ValuesOf(FeaturesOf(slot, "a|b|c|d")) == std::vector<float>{1, 1, 1, 1});
  slot.set_combiner(Slot::MEAN);
  CHECK(ValuesOf(FeaturesOf(slot, "a|b|c|d")) == std::vector<float>{0.25, 0.25, 0.25, 0.25});
  CHECK(ValuesOf(FeaturesOf(slot, "a")) == std::vector<float>{1});
  CHECK(ValuesOf(FeaturesOf(slot, "|a||b")) == std::vector<float>{0.5, 0.5});
  slot.set_combiner(Slot::SQRTN);
  CHECK(ValuesOf(FeaturesOf(slot, "a|b|c|d")) == std::vector<float>{0.5, 0.5, 0.5, 0.5});
}

TEST_CASE("a sequence is cut to its maximal length, at one end", "[sample]") {
  Slot slot = ListSlot("seen", " ");
  slot.set_max_length(2);
  CHECK(KeysOf(FeaturesOf(slot, "a b c")) ==
        std::vector<Key>{KeyOf("seen", "b"), KeyOf("seen", "c")});
  slot.set_keep_first(true);
  CHECK(KeysOf(FeaturesOf(slot, "a b c")) ==
        std::vector<Key>{KeyOf("seen", "a"), KeyOf("seen", "b")});
  CHECK(KeysOf(FeaturesOf(slot, "a b")).size() == 2);
  slot.set_combiner(Slot::MEAN);  // of those that are left
  CHECK(ValuesOf(FeaturesOf(slot, "a b c d")) == std::vector<float>{0.5, 0.5});
}

TEST_CASE("a default stands for a missing value", "[sample]") {
  Slot slot = PlainSlot("city");
  CHECK(FeaturesOf(slot, "").empty());
  slot.set_default_value("unknown");
  CHECK(KeysOf(FeaturesOf(slot, "")) == std::vector<Key>{KeyOf("city", "unknown")});
  CHECK(KeysOf(FeaturesOf(slot, "Ulm")) == std::vector<Key>{KeyOf("city", "Ulm")});
}

TEST_CASE("a numeric slot has one key, and its number as value", "[sample]") {
  Slot slot = PlainSlot("price");
  slot.set_numeric(Slot::IDENTITY);
  CHECK(ValuesOf(FeaturesOf(slot, "2.5")) == std::vector<float>{2.5});
  CHECK(KeysOf(FeaturesOf(slot, "2.5")) == KeysOf(FeaturesOf(slot, "-7")));
  CHECK(KeysOf(FeaturesOf(slot, "2.5")) == std::vector<Key>{KeyOf("price", "#")});
  CHECK(FeaturesOf(slot, "0").empty());
  slot.set_numeric(Slot::LOG);
  CHECK(ValuesOf(FeaturesOf(slot, "9"))[0] == Approx(std::log(10.0)));
  CHECK(ValuesOf(FeaturesOf(slot, "-9"))[0] == Approx(-std::log(10.0)));
  CHECK(MapError(slot, "much").find("needs a number") != std::string::npos);
  slot.set_numeric(Slot::IDENTITY);
  CHECK(MapError(slot, "1e39").find("beyond") != std::string::npos);
}

TEST_CASE("a cross has a feature for each pair of two slots", "[sample]") {
  Slot cross;
  cross.set_name("user_x_tag");
  cross.add_cross("user");
  cross.add_cross("tags");
  const FeatureMapper mapper = MapperOf({PlainSlot("user"), ListSlot("tags", "|"), cross});
  CHECK(mapper.IsCross(2));
  std::vector<Feature> features;
  CHECK(mapper.Map(0, "u", &features).ok());
  CHECK(mapper.Map(1, "a|b", &features).ok());
  mapper.AddCrosses(0, &features);
  REQUIRE(features.size() == 5);
  CHECK(features[3].slot == 2);
  CHECK(features[4].slot == 2);
  CHECK(features[3].key != features[4].key);
  // Persisted, as all keys are.
  CHECK(features[3].key == 0xe84517968342cb43U);
  std::vector<Feature> none;
  CHECK(mapper.Map(0, "u", &none).ok());
  mapper.AddCrosses(0, &none);
  CHECK(none.size() == 1);
  CHECK(mapper.Map(2, "x", &none).code() == absl::StatusCode::kInvalidArgument);

  Slot wrong = cross;
  wrong.set_cross(1, "tag");
  CHECK(MessageOf(MakeMapper({PlainSlot("user"), ListSlot("tags", "|"), wrong}).status())
            .find("did you mean 'tags'") != std::string::npos);
  Slot item = PlainSlot("item");
  item.set_side(Slot::ITEM);
  wrong.set_cross(1, "item");
  CHECK(MessageOf(MakeMapper({PlainSlot("user"), item, wrong}).status()).find("other side") !=
        std::string::npos);
}
