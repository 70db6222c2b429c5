#pragma once
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>

#include "common/version_log/part_file.h"

// What the tests of the version log share.
namespace freshet::test {

// A new empty directory, removed with all it holds.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Two embedding variables (one without optimizer state) and a dense one; odd sizes, so that
// alignment is no accident. Always the same.
PartContents SmallContents();

// Two embedding variables of both 16-bit types, one of them with all that a feature policy needs,
// and a dense one. Always the same.
PartContents PolicyContents();

// Up to three embedding and three dense variables of random sizes, empty ones among them; floats
// are random bits, NaN included.
PartContents RandomContents(std::mt19937_64& random);

// Every bit of every column.
bool SameContents(const PartContents& a, const PartContents& b);

// What a reader of the serving columns gets of `contents`.
PartContents ServingView(PartContents contents);

std::string ReadBytes(const std::string& path);
void WriteBytes(const std::string& path, const std::string& bytes);

}  // namespace freshet::test
