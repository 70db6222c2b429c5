#pragma once
#include <string>
#include <utility>
#include <vector>

#include "common/status.h"

namespace freshet {

// A YAML document as a tree that knows its lines.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  int line = 1;                 // the first is 1
  std::string scalar;           // kScalar
  std::vector<YamlNode> items;  // kList
  std::vector<Entry> entries;   // kMap, in order of the file; keys are unique

  // Null if the map has no such key, or this is no map.
  const Entry* Find(std::string_view key) const;
};

struct YamlNode::Entry {
  std::string key;
  int line = 1;
  YamlNode value;
};

// "nothing", "a value", "a list" or "a map".
std::string KindName(YamlNode::Kind kind);

struct YamlError {
  int line = 1;
  std::string message;
};

struct YamlDocument {
  YamlNode root;
  // Keys given twice (the first stays), anchors, aliases and tags, which are not taken, keys that
  // are no plain word, a second document. Or the one syntax error, and no root.
  std::vector<YamlError> errors;
};

// The one place that knows yaml-cpp, and where its exceptions end.
YamlDocument ParseYaml(const std::string& text);

}  // namespace freshet
