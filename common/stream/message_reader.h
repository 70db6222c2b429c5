#pragma once
#include <cstdint>
#include <string>

#include "common/stream/growing_file.h"
#include "common/stream/stream.h"

namespace freshet {

// One file of a FileStream that holds messages, each behind its length: a varint as protobuf writes
// it, the "delimited" format of its libraries. A record is a message without the length.
//
// A message that is longer than the limit is thrown away as it comes, and given as an empty record
// at its end; so is the beginning of a message at the end of a file that is complete. A length that
// no message can have is an error: where the next message begins cannot be known any more.
class MessageReader final : public PartitionReader {
 public:
  // No library of protobuf writes longer ones.
  static constexpr uint64_t kMostMessageBytes = (1U << 31U) - 1;

  // `success_path` is the file whose presence says that nothing will be appended.
  MessageReader(FileSystem& files,
                Clock& clock,
                const FileStreamOptions& options,
                std::string path,
                std::string success_path);

  // Opens the file at `offset`, which must be the beginning of a message; that cannot be checked.
  // FailedPrecondition if it is beyond the end. Called once, before Next.
  Status Open(uint64_t offset);

  // DataLoss: there is no length where one must be, or it is damaged.
  StatusOr<ReadResult> Next(Record* record) override;

 private:
  // Takes the next whole message out of the file, if there is one. False: more bytes are needed.
  StatusOr<bool> TakeMessage(Record* record);
  // What stands after the last whole message is a broken one, if it is anything.
  ReadResult TakeRest(Record* record);
  void GiveOut(std::string_view message, bool damaged, Record* record) const;

  const uint64_t max_record_bytes_;
  GrowingFile file_;
  uint64_t to_skip_ = 0;  // bytes of an overlong message that have not come yet
};

}  // namespace freshet
