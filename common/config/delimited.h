#pragma once
#include <string>
#include <vector>

#include "common/config/config_file.h"

namespace freshet {

// How the lines of a delimited file are split: the keys delimiter, quoted and columns, which
// several sections share.
struct DelimitedKeys {
  std::string delimiter = ",";
  bool quoted = false;
  std::vector<std::string> columns;
};

// Checks that the delimiter is usable, and that the columns are named, each once. `tab` and `\t`
// mean a tab.
void ReadDelimited(const ConfigSection& section, DelimitedKeys* keys);

// Reads the name of a column; an error unless it is one of `columns`. An empty or absent name is
// one only if it is required.
void ReadColumn(const ConfigSection& section,
                const std::string& key,
                const std::vector<std::string>& columns,
                bool required,
                std::string* column);

}  // namespace freshet
