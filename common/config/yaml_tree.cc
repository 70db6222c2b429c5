#include "common/config/yaml_tree.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>
#include <string_view>

namespace freshet {
namespace {

int LineOf(const YAML::Mark& mark) {
  return mark.is_null() ? 1 : mark.line + 1;
}

YamlNode MakeNode(YamlNode::Kind kind, const YAML::Mark& mark) {
  YamlNode node;
  node.kind = kind;
  node.line = LineOf(mark);
  return node;
}

// Builds the tree from the parser's events. We do not use YAML::Node: it drops the first of two
// equal keys without a word, and expands aliases without a bound.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(YamlDocument* document) : document_(document) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    Add(MakeNode(YamlNode::Kind::kNull, mark));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    Refuse(mark, "aliases (*name) are not supported; write the value out");
    Add(MakeNode(YamlNode::Kind::kNull, mark));
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    YamlNode node = MakeNode(YamlNode::Kind::kScalar, mark);
    node.scalar = value;
    Add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    open_.emplace_back().node = MakeNode(YamlNode::Kind::kList, mark);
  }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    open_.emplace_back().node = MakeNode(YamlNode::Kind::kMap, mark);
  }

  void OnSequenceEnd() override { Close(); }

  void OnMapEnd() override { Close(); }

 private:
  // A list or map whose end has not come yet. In a map keys and values take turns.
  struct Open {
    YamlNode node;
    bool key_is_next = true;
    std::string key;
    int key_line = 1;
  };

  void Close() {
    YamlNode done = std::move(open_.back().node);
    open_.pop_back();
    Add(std::move(done));
  }

  void Add(YamlNode node) {
    if (open_.empty()) {
      document_->root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.key_is_next) {
      AddKey(parent, node);
    } else {
      AddValue(parent, std::move(node));
    }
  }

  void AddKey(Open& parent, const YamlNode& key) {
    if (key.kind != YamlNode::Kind::kScalar) {
      Refuse(key.line, fmt::format("a key must be a word, not {}", KindName(key.kind)));
    }
    parent.key = key.scalar;
    parent.key_line = key.line;
    parent.key_is_next = false;
  }

  void AddValue(Open& parent, YamlNode value) {
    parent.key_is_next = true;
    if (const auto* first = parent.node.Find(parent.key)) {
      Refuse(parent.key_line,
             fmt::format("'{}' is given twice, first in line {}", parent.key, first->line));
      return;
    }
    parent.node.entries.push_back(
        {.key = std::move(parent.key), .line = parent.key_line, .value = std::move(value)});
  }

  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      Refuse(mark, "anchors (&name) are not supported");
    }
  }

  // yaml-cpp's "?" and "!" stand for plain and quoted values without a tag.
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(mark, fmt::format("the tag {} is not supported", tag));
    }
  }

  void Refuse(const YAML::Mark& mark, const std::string& what) { Refuse(LineOf(mark), what); }

  void Refuse(int line, const std::string& what) { document_->errors.push_back({line, what}); }

  YamlDocument* const document_;
  std::vector<Open> open_;
};

// yaml-cpp takes the end of the text for the end of a quoted value that was never closed, which
// hides all keys in between. An end marker in a line of its own makes it complain.
std::string WithEndMarker(const std::string& text) {
  return text + (text.empty() || text.back() == '\n' ? "...\n" : "\n...\n");
}

void ParseInto(const std::string& text, YamlDocument* document) {
  std::istringstream stream(WithEndMarker(text));
  YAML::Parser parser(stream);
  TreeBuilder builder(document);
  if (!parser.HandleNextDocument(builder)) {
    return;  // nothing but comments
  }
  YamlDocument second;
  TreeBuilder second_builder(&second);
  if (parser.HandleNextDocument(second_builder)) {
    document->errors.push_back({second.root.line, "a second document begins here; one is read"});
  }
}

}  // namespace

const YamlNode::Entry* YamlNode::Find(std::string_view key) const {
  const auto found = std::find_if(
      entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

std::string KindName(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a value";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

YamlDocument ParseYaml(const std::string& text) {
  YamlDocument document;
  try {
    ParseInto(text, &document);
  } catch (const YAML::Exception& error) {
    document.root = {};
    const bool unclosed = error.msg == YAML::ErrorMsg::DOC_IN_SCALAR;
    document.errors = {{LineOf(error.mark),
                        "not YAML: " + (unclosed ? "the document ends inside quotes" : error.msg)}};
  } catch (const std::exception& error) {
    document.root = {};
    document.errors = {{1, std::string("not YAML: ") + error.what()}};
  }
  return document;
}

}  // namespace freshet
