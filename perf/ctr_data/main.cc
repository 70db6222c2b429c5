// Writes a synthetic click log of 39 slots, the first nine tenths for training, the last for test:
//
//   freshet_bench_ctr_data --rows N --out DIRECTORY [--seed S]
//
//   {train,test}.tsv     label, 13 counts, 26 categories in hex: the layout of Criteo's Kaggle log
//   {train,test}.libsvm  label id:1 ..., each value of each slot an id of its own
//   {train,test}.ids     int32 [rows, 39], the same ids
//   {train,test}.labels  uint8 [rows]
//
// and prints, as JSON, what the hidden model itself would score on the test rows.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <string>

#include "perf/ctr_data/hidden_model.h"
#include "perf/guarded_main.h"

namespace freshet::perf {
namespace {

// The files of one part.
class Part {
 public:
  explicit Part(const std::string& prefix)
      : tsv_(Open(prefix + ".tsv")),
        libsvm_(Open(prefix + ".libsvm")),
        ids_(Open(prefix + ".ids")),
        labels_(Open(prefix + ".labels")) {}

  void Write(const HiddenModel::Row& row) {
    const char label = row.click ? 1 : 0;
    line_ = row.click ? "1" : "0";
    libsvm_line_ = line_;
    uint32_t first_id = 0;
    for (size_t slot = 0; slot < kSlots; ++slot) {
      const uint32_t value = row.values[slot];
      const uint32_t id = first_id + value;
      first_id += kSlotSizes[slot];
      if (slot < kCounts) {
        fmt::format_to(std::back_inserter(line_), "\t{}", value);
      } else {
        fmt::format_to(std::back_inserter(line_), "\t{:08x}", SplitMix64(id) >> 32U);
      }
      fmt::format_to(std::back_inserter(libsvm_line_), " {}:1", id);
      ids_.write(reinterpret_cast<const char*>(&id), sizeof(id));
    }
    line_ += '\n';
    libsvm_line_ += '\n';
    tsv_ << line_;
    libsvm_ << libsvm_line_;
    labels_.write(&label, 1);
  }

  void Close() {
    for (std::ofstream* file : {&tsv_, &libsvm_, &ids_, &labels_}) {
      file->close();
    }
  }

 private:
  static std::ofstream Open(const std::string& path) {
    std::ofstream file;
    file.exceptions(std::ios::failbit | std::ios::badbit);
    file.open(path, std::ios::binary);
    return file;
  }

  std::ofstream tsv_;
  std::ofstream libsvm_;
  std::ofstream ids_;
  std::ofstream labels_;
  std::string line_;
  std::string libsvm_line_;
};

int Main(int argc, char** argv) {
  uint64_t rows = 0;
  uint64_t seed = 1;
  std::string out;
  CLI::App app("Writes a synthetic click log", "freshet_bench_ctr_data");
  app.add_option("--rows", rows, "How many, those for test included")->required();
  app.add_option("--out", out, "A folder that exists")->required();
  app.add_option("--seed", seed, "Of all that is drawn");
  CLI11_PARSE(app, argc, argv);

  HiddenModel model(seed);
  Part train(out + "/train");
  Part test(out + "/test");
  double log_loss = 0.0;
  uint64_t clicks = 0;
  const uint64_t test_rows = rows / 10;
  for (uint64_t i = 0; i < rows; ++i) {
    const HiddenModel::Row row = model.Draw();
    clicks += row.click ? 1 : 0;
    const bool is_test = i >= rows - test_rows;
    (is_test ? test : train).Write(row);
    if (is_test) {
      log_loss -= std::log(row.click ? row.probability : 1.0 - row.probability);
    }
  }
  train.Close();
  test.Close();
  fmt::print("{{\"rows\": {}, \"click_rate\": {:.4f}, \"hidden_model_log_loss\": {:.4f}}}\n",
             rows,
             static_cast<double>(clicks) / static_cast<double>(rows),
             log_loss / static_cast<double>(test_rows));
  return 0;
}

}  // namespace
}  // namespace freshet::perf

int main(int argc, char** argv) {
  return freshet::perf::GuardedMain("freshet_bench_ctr_data", freshet::perf::Main, argc, argv);
}
