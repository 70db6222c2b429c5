#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "common/half.h"
#include "common/version_log/manifest_file.h"
#include "common/version_log/part_columns.h"
#include "common/version_log/part_file.h"
#include "common/version_log/serving_values.h"
#include "common/version_log/tensor_reader.h"
#include "common/version_log/zstd_part.h"

namespace freshet {
namespace {

using namespace part_columns;  // NOLINT(google-build-using-namespace): names of this file's format

// Reads one part file. Its errors do not name the file: ReadPart does.
class PartReader {
 public:
  PartReader(const ReadableFile& file, PartColumns columns, const TouchedKeys* only)
      : tensors_(file),
        all_(columns == PartColumns::kAll),
        keys_only_(columns == PartColumns::kKeys),
        only_(only) {}

  Status Open(uint64_t bytes, const std::string& header_xxh3) {
    return tensors_.Open(bytes, header_xxh3);
  }

  StatusOr<PartContents> ReadTensors();

  // All of the file, also those left out.
  uint64_t rows() const { return rows_; }

  uint64_t tombstones() const { return tombstones_; }

 private:
  void PickKeys(EmbeddingRows* rows);
  StatusOr<EmbeddingRows> ReadKeys(const std::string& variable);
  StatusOr<EmbeddingRows> ReadEmbedding(const std::string& variable);
  Status ReadValues(EmbeddingRows* rows);
  Status ReadServingValues(EmbeddingRows* rows);
  Status ReadStoredValues(EmbeddingRows* rows);
  Status SkipValues(const EmbeddingRows& rows);
  Status ReadServed(EmbeddingRows* rows);
  Status ReadStates(EmbeddingRows* rows);
  Status ReadLives(const std::string& variable,
                   const LifeColumns& columns,
                   uint64_t rows,
                   std::vector<FeatureLife>* lives);
  Status ReadCandidates(const std::string& variable, CandidateRows* candidates);
  Status ReadFilter(const std::string& variable, FilterBlocks* filter);
  Status ReadClock(const std::string& variable, StreamClock* clock);
  StatusOr<DenseTensor> ReadDense(const std::string& variable);
  Status ReadPadding(const std::string& name);

  // Where a column goes that serving does not read.
  template <typename T>
  std::vector<T>* Wanted(std::vector<T>* column) const {
    return all_ ? column : nullptr;
  }

  TensorReader tensors_;
  const bool all_;
  const bool keys_only_;
  const TouchedKeys* const only_;  // null: all
  uint64_t rows_ = 0;
  uint64_t tombstones_ = 0;
  uint64_t count_ = 0;  // rows of the variable that is being read, those left out included
  std::vector<uint32_t> picked_;  // of them, if only some are wanted
};

StatusOr<EmbeddingRows> PartReader::ReadKeys(const std::string& variable) {
  EmbeddingRows rows;
  rows.variable = variable;
  FRESHET_RETURN_IF_ERROR(tensors_.ReadVector(variable, kKeys, &rows.keys));
  FRESHET_RETURN_IF_ERROR(tensors_.ReadVector(variable, kTombstones, &rows.tombstones));
  count_ = rows.keys.size();
  rows_ += count_;
  tombstones_ += rows.tombstones.size();
  if (only_ != nullptr) {
    PickKeys(&rows);
  }
  return rows;
}

void PartReader::PickKeys(EmbeddingRows* rows) {
  const TouchedKeys::Keys* const wanted = only_->Find(rows->variable);
  if (wanted == nullptr) {
    picked_.clear();
    rows->keys.clear();
    rows->tombstones.clear();
    return;
  }
  wanted->Pick(rows->keys, &picked_);
  for (size_t i = 0; i < picked_.size(); ++i) {
    rows->keys[i] = rows->keys[picked_[i]];
  }
  rows->keys.resize(picked_.size());
  std::erase_if(rows->tombstones, [&](Key key) { return !wanted->contains(key); });
}

StatusOr<EmbeddingRows> PartReader::ReadEmbedding(const std::string& variable) {
  FRESHET_ASSIGN_OR_RETURN(EmbeddingRows rows, ReadKeys(variable));
  if (keys_only_) {
    return rows;
  }
  tensors_.PickRows(only_ == nullptr ? nullptr : &picked_);
  FRESHET_RETURN_IF_ERROR(ReadValues(&rows));
  FRESHET_RETURN_IF_ERROR(ReadServed(&rows));
  FRESHET_RETURN_IF_ERROR(ReadStates(&rows));
  const uint64_t count = count_;
  FRESHET_RETURN_IF_ERROR(
      tensors_.ReadColumn(variable, kFrequencies, count, Wanted(&rows.frequencies)));
  FRESHET_RETURN_IF_ERROR(
      tensors_.ReadColumn(variable, kLastUpdates, count, Wanted(&rows.last_updates)));
  FRESHET_RETURN_IF_ERROR(ReadLives(variable, kLives, count, &rows.lives));
  tensors_.PickRows(nullptr);
  FRESHET_RETURN_IF_ERROR(ReadCandidates(variable, &rows.candidates));
  FRESHET_RETURN_IF_ERROR(ReadFilter(variable, &rows.filter));
  FRESHET_RETURN_IF_ERROR(ReadClock(variable, &rows.clock));
  return rows;
}

Status PartReader::ReadServingValues(EmbeddingRows* rows) {
  const TensorInfo* const tensor = tensors_.Find(rows->variable, kServingValues);
  if (tensor == nullptr) {
    return absl::OkStatus();
  }
  const uint64_t count = count_;
  if (tensor->type == TensorType::kF16) {
    rows->serving_values = proto::HALVES;
    std::vector<uint16_t> halves;
    FRESHET_RETURN_IF_ERROR(tensors_.ReadMatrix(
        rows->variable, kServingValues, TensorType::kF16, count, &rows->dim, &halves));
    rows->values.resize(halves.size());
    FromF16(halves, rows->values);
    return absl::OkStatus();
  }
  rows->serving_values = proto::INT8;
  Int8Rows quantized;
  FRESHET_RETURN_IF_ERROR(tensors_.ReadMatrix(
      rows->variable, kServingValues, TensorType::kI8, count, &rows->dim, &quantized.values));
  FRESHET_RETURN_IF_ERROR(
      tensors_.ReadColumn(rows->variable, kServingScales, count, &quantized.scales));
  rows->values = DequantizeRows(quantized, rows->dim);
  return absl::OkStatus();
}

Status PartReader::ReadValues(EmbeddingRows* rows) {
  FRESHET_RETURN_IF_ERROR(ReadServingValues(rows));
  if (!all_ && rows->serving_values != proto::AS_STORED) {
    return SkipValues(*rows);
  }
  const uint32_t serving_dim = rows->dim;
  FRESHET_RETURN_IF_ERROR(ReadStoredValues(rows));
  if (rows->serving_values != proto::AS_STORED && rows->dim != serving_dim) {
    return DataLoss("variable '{}' has {} values a row, and {} for serving",
                    rows->variable,
                    rows->dim,
                    serving_dim);
  }
  return absl::OkStatus();
}

// The values themselves, which serving leaves alone.
Status PartReader::SkipValues(const EmbeddingRows& rows) {
  const TensorInfo* const tensor = tensors_.Find(rows.variable, kValues);
  uint32_t dim = 0;
  std::vector<float>* const nowhere = nullptr;
  FRESHET_RETURN_IF_ERROR(tensors_.ReadMatrix(rows.variable,
                                              kValues,
                                              tensor == nullptr ? TensorType::kF32 : tensor->type,
                                              count_,
                                              &dim,
                                              nowhere));
  return dim == rows.dim ? absl::OkStatus()
                         : DataLoss("variable '{}' has {} values a row, and {} for serving",
                                    rows.variable,
                                    dim,
                                    rows.dim);
}

Status PartReader::ReadStoredValues(EmbeddingRows* rows) {
  const TensorInfo* const tensor = tensors_.Find(rows->variable, kValues);
  const TensorType type = tensor == nullptr ? TensorType::kF32 : tensor->type;
  if (type != TensorType::kF16 && type != TensorType::kBf16) {
    return tensors_.ReadMatrix(
        rows->variable, kValues, TensorType::kF32, count_, &rows->dim, &rows->values);
  }
  std::vector<uint16_t> halves;
  FRESHET_RETURN_IF_ERROR(
      tensors_.ReadMatrix(rows->variable, kValues, type, count_, &rows->dim, &halves));
  rows->values.resize(halves.size());
  if (type == TensorType::kF16) {
    rows->value_type = proto::F16;
    FromF16(halves, rows->values);
  } else {
    rows->value_type = proto::BF16;
    FromBf16(halves, rows->values);
  }
  return absl::OkStatus();
}

Status PartReader::ReadServed(EmbeddingRows* rows) {
  if (!tensors_.Has(rows->variable, kServed)) {
    return absl::OkStatus();
  }
  FRESHET_RETURN_IF_ERROR(tensors_.ReadColumn(rows->variable, kServed, count_, &rows->served));
  if (std::any_of(rows->served.begin(), rows->served.end(), [](uint8_t is) { return is > 1; })) {
    return DataLoss("tensor '{}/{}' holds something other than 0 and 1", rows->variable, kServed);
  }
  return absl::OkStatus();
}

Status PartReader::ReadStates(EmbeddingRows* rows) {
  if (!tensors_.Has(rows->variable, kStates)) {
    return absl::OkStatus();
  }
  return tensors_.ReadMatrix(
      rows->variable, kStates, TensorType::kF32, count_, &rows->state_dim, Wanted(&rows->states));
}

Status PartReader::ReadLives(const std::string& variable,
                             const LifeColumns& columns,
                             uint64_t rows,
                             std::vector<FeatureLife>* lives) {
  if (!tensors_.Has(variable, columns.shows)) {
    return absl::OkStatus();
  }
  const auto read = [&](const char* column, auto member, auto elements) -> Status {
    FRESHET_RETURN_IF_ERROR(tensors_.ReadColumn(variable, column, rows, Wanted(&elements)));
    lives->resize(elements.size());
    for (size_t i = 0; i < lives->size(); ++i) {
      (*lives)[i].*member = elements[i];
    }
    return absl::OkStatus();
  };
  FRESHET_RETURN_IF_ERROR(read(columns.shows, &FeatureLife::shows, std::vector<float>()));
  FRESHET_RETURN_IF_ERROR(read(columns.clicks, &FeatureLife::clicks, std::vector<float>()));
  FRESHET_RETURN_IF_ERROR(
      read(columns.last_steps, &FeatureLife::last_step, std::vector<uint32_t>()));
  FRESHET_RETURN_IF_ERROR(
      read(columns.score_days, &FeatureLife::score_day, std::vector<uint16_t>()));
  return read(columns.slots, &FeatureLife::slot, std::vector<uint16_t>());
}

Status PartReader::ReadCandidates(const std::string& variable, CandidateRows* candidates) {
  const TensorInfo* const keys = tensors_.Find(variable, kCandidateKeys);
  if (keys == nullptr) {
    return absl::OkStatus();
  }
  const uint64_t count = keys->shape.empty() ? 0 : keys->shape[0];
  FRESHET_RETURN_IF_ERROR(tensors_.ReadVector(variable, kCandidateKeys, Wanted(&candidates->keys)));
  FRESHET_RETURN_IF_ERROR(
      tensors_.ReadVector(variable, kCandidateTombstones, Wanted(&candidates->tombstones)));
  FRESHET_RETURN_IF_ERROR(tensors_.ReadColumn(
      variable, kCandidateFrequencies, count, Wanted(&candidates->frequencies)));
  FRESHET_RETURN_IF_ERROR(tensors_.ReadColumn(
      variable, kCandidateLastUpdates, count, Wanted(&candidates->last_updates)));
  return ReadLives(variable, kCandidateLives, count, &candidates->lives);
}

Status PartReader::ReadFilter(const std::string& variable, FilterBlocks* filter) {
  const TensorInfo* const blocks = tensors_.Find(variable, kFilterBlocks);
  if (blocks == nullptr) {
    return absl::OkStatus();
  }
  const uint64_t count = blocks->shape.empty() ? 0 : blocks->shape[0];
  FRESHET_RETURN_IF_ERROR(tensors_.ReadVector(variable, kFilterBlocks, Wanted(&filter->blocks)));
  uint32_t block_bytes = 0;
  FRESHET_RETURN_IF_ERROR(tensors_.ReadMatrix(
      variable, kFilterCounters, TensorType::kU8, count, &block_bytes, Wanted(&filter->counters)));
  if (block_bytes != FilterBlocks::kBlockBytes) {
    return DataLoss("tensor '{}/{}' has blocks of {} counters, not {}",
                    variable,
                    kFilterCounters,
                    block_bytes,
                    FilterBlocks::kBlockBytes);
  }
  return absl::OkStatus();
}

Status PartReader::ReadClock(const std::string& variable, StreamClock* clock) {
  if (!tensors_.Has(variable, kClock)) {
    return absl::OkStatus();
  }
  std::vector<uint64_t> numbers;
  FRESHET_RETURN_IF_ERROR(tensors_.ReadColumn(variable, kClock, 2, Wanted(&numbers)));
  if (all_) {
    *clock = {.step = numbers[0], .event_time_s = numbers[1]};
  }
  return absl::OkStatus();
}

StatusOr<DenseTensor> PartReader::ReadDense(const std::string& variable) {
  DenseTensor dense;
  dense.variable = variable;
  const TensorInfo* const values = tensors_.Take(variable, kDenseValues);
  if (values == nullptr || values->type != TensorType::kF32) {
    return DataLoss("tensor '{}/{}' is missing, or not F32", variable, kDenseValues);
  }
  for (const uint64_t extent : values->shape) {
    if (extent > std::numeric_limits<uint32_t>::max()) {
      return DataLoss("tensor '{}' has an extent of {}", values->name, extent);
    }
    dense.shape.push_back(static_cast<uint32_t>(extent));
  }
  FRESHET_RETURN_IF_ERROR(tensors_.ReadData(*values, &dense.values));
  if (tensors_.Has(variable, kDenseStates)) {
    FRESHET_RETURN_IF_ERROR(tensors_.ReadVector(variable, kDenseStates, Wanted(&dense.states)));
  }
  return dense;
}

Status PartReader::ReadPadding(const std::string& name) {
  const TensorInfo* const padding = tensors_.Take(name);
  if (padding == nullptr || name != kPadding) {
    return DataLoss("tensor '{}' is of no variable", name);
  }
  if (padding->type != TensorType::kU8 || padding->end - padding->begin >= 8) {
    return DataLoss("tensor '{}' is more than what aligns another", name);
  }
  std::vector<std::byte> bytes;
  return all_ ? tensors_.ReadData(*padding, &bytes) : absl::OkStatus();
}

StatusOr<PartContents> PartReader::ReadTensors() {
  PartContents contents;
  for (const TensorInfo& tensor : tensors_.tensors()) {
    const size_t slash = tensor.name.rfind('/');
    if (slash == std::string::npos) {
      FRESHET_RETURN_IF_ERROR(keys_only_ ? absl::OkStatus() : ReadPadding(tensor.name));
      continue;
    }
    const std::string variable = tensor.name.substr(0, slash);
    const std::string column = tensor.name.substr(slash + 1);
    if (column == kKeys) {
      FRESHET_ASSIGN_OR_RETURN(EmbeddingRows rows, ReadEmbedding(variable));
      contents.embeddings.push_back(std::move(rows));
    } else if (column == kDenseValues && !keys_only_) {
      FRESHET_ASSIGN_OR_RETURN(DenseTensor dense, ReadDense(variable));
      contents.dense.push_back(std::move(dense));
    }
  }
  if (const auto left = tensors_.Left(); left && !keys_only_) {
    return DataLoss("tensor '{}' belongs to no variable", *left);
  }
  return contents;
}

Status CheckCounts(const proto::PartFile& part, const PartReader& reader) {
  if (reader.rows() != part.rows() || reader.tombstones() != part.tombstones()) {
    return DataLoss("holds {} rows and {} tombstones, manifest says {} and {}",
                    reader.rows(),
                    reader.tombstones(),
                    part.rows(),
                    part.tombstones());
  }
  return absl::OkStatus();
}

// From the plain bytes.
StatusOr<PartContents> ReadPlain(const ReadableFile& file,
                                 uint64_t bytes,
                                 const proto::PartFile& part,
                                 PartColumns columns,
                                 const TouchedKeys* only) {
  PartReader reader(file, columns, only);
  FRESHET_RETURN_IF_ERROR(reader.Open(bytes, part.header_xxh3()));
  FRESHET_ASSIGN_OR_RETURN(PartContents contents, reader.ReadTensors());
  FRESHET_RETURN_IF_ERROR(CheckCounts(part, reader));
  return contents;
}

StatusOr<PartContents> Read(FileSystem& files,
                            const std::string& path,
                            const proto::PartFile& part,
                            PartColumns columns,
                            const TouchedKeys* only) {
  FRESHET_ASSIGN_OR_RETURN(const FileInfo info, files.Stat(path));
  if (info.bytes != part.bytes() || part.bytes() < kSafetensorsLengthBytes) {
    return DataLoss("has {} bytes, manifest says {}", info.bytes, part.bytes());
  }
  FRESHET_ASSIGN_OR_RETURN(const auto file, files.OpenReadable(path));
  if (!IsZstdName(part.name())) {
    return ReadPlain(*file, part.bytes(), part, columns, only);
  }
  if (part.plain_bytes() < kSafetensorsLengthBytes) {
    return DataLoss("holds {} bytes, as the manifest says", part.plain_bytes());
  }
  const ZstdReader plain(*file, part.plain_bytes());
  FRESHET_ASSIGN_OR_RETURN(PartContents contents,
                           ReadPlain(plain, part.plain_bytes(), part, columns, only));
  if (columns == PartColumns::kAll) {
    FRESHET_RETURN_IF_ERROR(plain.CheckWhole(part.bytes(), part.file_xxh3()));
  }
  return contents;
}

}  // namespace

StatusOr<PartContents> ReadPart(FileSystem& files,
                                const std::string& directory,
                                const proto::PartFile& part,
                                PartColumns columns,
                                const TouchedKeys* only) {
  if (!IsPlainFileName(part.name())) {
    return DataLoss(
        "{}: the manifest names a part '{}', which is no file name", directory, part.name());
  }
  const std::string path = directory + "/" + part.name();
  StatusOr<PartContents> contents = Read(files, path, part, columns, only);
  if (contents.ok()) {
    return contents;
  }
  if (absl::IsNotFound(contents.status())) {
    // The manifest says that it is there.
    return DataLoss("part {} is missing: {}", path, MessageOf(contents.status()));
  }
  return Annotate(contents.status(), "part " + path);
}

Status VerifyPart(FileSystem& files, const std::string& directory, const proto::PartFile& part) {
  const TouchedKeys none;
  return ReadPart(files, directory, part, PartColumns::kAll, &none).status();
}

}  // namespace freshet
