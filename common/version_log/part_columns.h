#pragma once

// Names inside a part file: tensors are "<variable>/<column>". Private to the reader and the
// writer; docs/formats/part-file.md documents them. Persisted: they can never change.
namespace freshet::part_columns {

inline constexpr char kKeys[] = "keys";
inline constexpr char kTombstones[] = "tombstones";
inline constexpr char kValues[] = "values";
inline constexpr char kServingValues[] = "serving_values";
inline constexpr char kServingScales[] = "serving_scales";
inline constexpr char kServed[] = "served";
inline constexpr char kDenseValues[] = "dense_values";
inline constexpr char kStates[] = "states";
inline constexpr char kFrequencies[] = "frequencies";
inline constexpr char kLastUpdates[] = "last_updates";
inline constexpr char kDenseStates[] = "dense_states";
inline constexpr char kCandidateKeys[] = "candidate_keys";
inline constexpr char kCandidateTombstones[] = "candidate_tombstones";
inline constexpr char kCandidateFrequencies[] = "candidate_frequencies";
inline constexpr char kCandidateLastUpdates[] = "candidate_last_updates";
inline constexpr char kFilterBlocks[] = "filter_blocks";
inline constexpr char kFilterCounters[] = "filter_counters";
inline constexpr char kClock[] = "clock";

// The columns that FeatureLife is taken apart into.
struct LifeColumns {
  const char* shows;
  const char* clicks;
  const char* last_steps;
  const char* score_days;
  const char* slots;
};

inline constexpr LifeColumns kLives{"shows", "clicks", "last_steps", "score_days", "slots"};
inline constexpr LifeColumns kCandidateLives{"candidate_shows",
                                             "candidate_clicks",
                                             "candidate_last_steps",
                                             "candidate_score_days",
                                             "candidate_slots"};

// A tensor of no variable and no meaning: it aligns what follows.
inline constexpr char kPadding[] = "padding";

// Metadata: the format's number, and a checksum for each tensor, under this prefix and its name.
// A file that an older program can read has the older number.
inline constexpr char kFormatKey[] = "freshet_part";
inline constexpr char kFormat1[] = "1";
inline constexpr char kFormat2[] = "2";
inline constexpr char kFormat3[] = "3";
inline constexpr char kChecksumPrefix[] = "xxh3:";

}  // namespace freshet::part_columns
