#pragma once
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/env/file_system.h"
#include "common/status.h"

namespace freshet {

class ConfigFile;

// A map inside a config file. Reading a key marks it as known; ConfigFile::Finish then complains
// about all others, so that a spelling mistake never passes silently. A borrowed view: the
// ConfigFile outlives it. An absent section reads like an empty one.
class ConfigSection {
 public:
  bool Has(std::string_view key) const;
  // Is it there, with a map as its value? For keys that take a value or a map.
  bool HasMap(std::string_view key) const;
  // The keys that the file has here, in its order. Does not make them known.
  std::vector<std::string> Keys() const;

  // Leaves *value alone if the key is absent (Required: that is an error). T: bool, int, int64_t,
  // uint16_t, uint32_t, uint64_t, double, float, std::string, std::vector<std::string>,
  // std::vector<double>. Unsigned numbers refuse a minus sign. Durations ("250ms", "5s", "2m") are
  // read by Milliseconds, byte counts ("512KiB", "2GiB") by Bytes. Errors are kept for Finish, and
  // leave *value alone. In every value ${NAME} and ${NAME:-default} stand for environment
  // variables.
  template <typename T>
  void Optional(std::string_view key, T* value) const;
  template <typename T>
  void Required(std::string_view key, T* value) const;
  // As Optional; also an error outside [least, most]. T: the numbers.
  template <typename T>
  void InRange(std::string_view key, T least, T most, T* value) const;
  void Milliseconds(std::string_view key, int64_t* value) const;
  void Bytes(std::string_view key, uint64_t* value) const;
  // The value is one of `choices`; *index gets which.
  void Choice(std::string_view key, const std::vector<std::string>& choices, size_t* index) const;

  ConfigSection Section(std::string_view key) const;
  // A list of maps.
  std::vector<ConfigSection> Sections(std::string_view key) const;
  // Name and section of each entry of a map with free keys.
  std::vector<std::pair<std::string, ConfigSection>> Entries(std::string_view key) const;

  // Keeps an error found by the caller: `'key' message`, with file and line, as in "must be less
  // than 5". The key counts as known.
  void Fail(std::string_view key, const std::string& message) const;

 private:
  friend class ConfigFile;
  struct Node;
  explicit ConfigSection(std::shared_ptr<Node> node);

  std::shared_ptr<Node> node_;
};

// A YAML file read with full checks.
//   FRESHET_ASSIGN_OR_RETURN(auto file, ConfigFile::Load(files, path));
//   file->root().Required("listen", &options.listen);
//   FRESHET_RETURN_IF_ERROR(file->Finish());
// Thread-safety: one thread.
class ConfigFile {
 public:
  // Errors of the file system; InvalidArgument: not YAML, with the line.
  static StatusOr<std::unique_ptr<ConfigFile>> Load(FileSystem& files, const std::string& path);
  static StatusOr<std::unique_ptr<ConfigFile>> Parse(const std::string& path,
                                                     const std::string& text);
  ~ConfigFile();

  ConfigSection root();

  const std::string& path() const { return path_; }

  // Every error found, one a line, each with file, line, the key in question and, for an unknown
  // key, the nearest known one: InvalidArgument. Call it when all has been read.
  Status Finish();

  std::string absolute_path() const;

  // `path` as seen from the file's folder, as an absolute path.
  std::string Resolve(const std::string& path) const;

  // Every key that was asked for, as "worker.model.factors"; lists and free keys as "slots[].name".
  const std::set<std::string>& known_keys() const;

 private:
  struct Impl;
  explicit ConfigFile(std::string path);

  const std::string path_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
