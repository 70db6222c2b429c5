#include "common/stream/block_sums.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

namespace freshet {
namespace {

constexpr size_t kLineBytes = 17;  // 16 hexadecimal digits and a line end
// Of a file of checksums; that of a segment of 1 TiB has 272 MiB.
constexpr uint64_t kMostTextBytes = 512U << 20U;

uint64_t SumOf(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void AppendLine(uint64_t sum, std::string* text) {
  fmt::format_to(std::back_inserter(*text), "{:016x}\n", sum);
}

bool ParseText(std::string_view text, SummedBlocks* summed) {
  if (text.size() % kLineBytes != 0 || text.size() < 2 * kLineBytes) {
    return false;
  }
  const std::string_view total = text.substr(text.size() - kLineBytes);
  const std::string_view summed_text = text.substr(0, text.size() - kLineBytes);
  // The checksum of the text, as it would be written: so no line in it can be another.
  std::string expected;
  AppendLine(SumOf(summed_text), &expected);
  if (total != expected) {
    return false;
  }
  const size_t blocks = summed_text.size() / kLineBytes - 1;
  summed->sums.resize(blocks);
  for (size_t line = 0; line <= blocks; ++line) {
    const char* const begin = summed_text.data() + line * kLineBytes;
    uint64_t* const number = line == 0 ? &summed->bytes : &summed->sums[line - 1];
    const auto parsed = std::from_chars(begin, begin + kLineBytes, *number, 16);
    if (parsed.ec != std::errc() || parsed.ptr != begin + kLineBytes - 1) {
      return false;
    }
  }
  return blocks == summed->bytes / kSumBlockBytes + (summed->bytes % kSumBlockBytes > 0 ? 1 : 0);
}

}  // namespace

std::string BlockSumsPath(const std::string& path) {
  const std::filesystem::path whole(path);
  return (whole.parent_path() / ("_" + whole.filename().string() + ".sums")).string();
}

void BlockSums::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t taken = std::min(bytes.size(), kSumBlockBytes - block_.size());
    block_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (block_.size() == kSumBlockBytes) {
      sums_.push_back(SumOf(block_));
      block_.clear();
    }
  }
}

std::string BlockSums::Text(bool ended) const {
  const size_t rest = ended ? block_.size() : 0;
  std::string text;
  text.reserve((sums_.size() + 3) * kLineBytes);
  AppendLine(sums_.size() * kSumBlockBytes + rest, &text);
  for (const uint64_t sum : sums_) {
    AppendLine(sum, &text);
  }
  if (rest > 0) {
    AppendLine(SumOf(block_), &text);
  }
  AppendLine(SumOf(text), &text);
  return text;
}

StatusOr<SummedBlocks> ReadBlockSums(FileSystem& files, const std::string& path) {
  const std::string sums_path = BlockSumsPath(path);
  const auto text = ReadFile(files, sums_path, kMostTextBytes);
  if (absl::IsNotFound(text.status())) {
    return SummedBlocks();
  }
  FRESHET_RETURN_IF_ERROR(text.status());
  SummedBlocks summed;
  if (!ParseText(*text, &summed)) {
    return DataLoss(
        "{} is damaged: move it away, and {} is read without its checksums", sums_path, path);
  }
  return summed;
}

StatusOr<size_t> CheckedFile::ReadAt(uint64_t offset, std::span<std::byte> into) const {
  size_t done = 0;
  while (done < into.size()) {
    const uint64_t at = offset + done;
    const uint64_t block = at / kSumBlockBytes;
    if (block >= summed_.sums.size()) {
      FRESHET_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(at, into.subspan(done)));
      return done + got;
    }
    FRESHET_ASSIGN_OR_RETURN(const size_t bytes, ReadBlock(block));
    const size_t begin = at % kSumBlockBytes;
    const size_t count = std::min(into.size() - done, bytes - std::min(bytes, begin));
    if (count == 0) {
      break;  // the last block, which is not full
    }
    std::memcpy(into.data() + done, block_.data() + begin, count);
    done += count;
  }
  return done;
}

// Into block_. Returns how many bytes it has.
StatusOr<size_t> CheckedFile::ReadBlock(uint64_t block) const {
  block_.resize(kSumBlockBytes);
  FRESHET_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(block * kSumBlockBytes, block_));
  if (block * kSumBlockBytes + got < std::min(summed_.bytes, (block + 1) * kSumBlockBytes)) {
    return DataLoss(
        "{} ends at byte {}, but {} have checksums: it was cut; restore it, or move {} "
        "away, and what is left of it is read",
        path_,
        block * kSumBlockBytes + got,
        summed_.bytes,
        BlockSumsPath(path_));
  }
  if (SumOf({reinterpret_cast<const char*>(block_.data()), got}) != summed_.sums[block]) {
    const auto at = std::lower_bound(damaged_.begin(), damaged_.end(), block);
    if (at == damaged_.end() || *at != block) {
      damaged_.insert(at, block);
    }
  }
  return got;
}

bool CheckedFile::IsDamaged(uint64_t begin, uint64_t end) const {
  const auto at = std::lower_bound(damaged_.begin(), damaged_.end(), begin / kSumBlockBytes);
  return at != damaged_.end() && *at * kSumBlockBytes < end;
}

}  // namespace freshet
