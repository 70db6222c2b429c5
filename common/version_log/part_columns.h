#pragma once

// Names inside a part file: tensors are "<variable>/<column>". Private to the reader and the
// writer; docs/formats/part-file.md documents them. Persisted: they can never change.
namespace freshet::part_columns {

inline constexpr char kKeys[] = "keys";
inline constexpr char kTombstones[] = "tombstones";
inline constexpr char kValues[] = "values";
inline constexpr char kDenseValues[] = "dense_values";
inline constexpr char kStates[] = "states";
inline constexpr char kFrequencies[] = "frequencies";
inline constexpr char kLastUpdates[] = "last_updates";
inline constexpr char kDenseStates[] = "dense_states";

// Metadata: the format's number, and a checksum for each tensor, under this prefix and its name.
inline constexpr char kFormatKey[] = "freshet_part";
inline constexpr char kFormat[] = "1";
inline constexpr char kChecksumPrefix[] = "xxh3:";

}  // namespace freshet::part_columns
