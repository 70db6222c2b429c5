#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/copy_floats.h"
#include "common/key.h"
#include "proto/model.pb.h"

namespace freshet::ps {

// How the values of one variable are stored: float32, or 16 bits. Immutable after construction.
// All spans [dim].
class ValueCodec {
 public:
  ValueCodec(proto::ValueType type, uint32_t dim, uint64_t seed)
      : type_(type), dim_(dim), seed_(seed) {}

  size_t bytes() const { return dim_ * (is_float() ? sizeof(float) : sizeof(uint16_t)); }

  // Stored as they are: what is stored may be used in place.
  bool is_float() const { return type_ == proto::F32; }

  // Inline where it is a copy: a call for each row would cost as much.
  void Read(const std::byte* stored, std::span<float> value) const {
    if (is_float()) {
      CopyFloats(reinterpret_cast<const float*>(stored), value.size(), value.data());
    } else {
      ReadHalves(stored, value);
    }
  }

  // Rounds to one of the two nearest values, by chance in proportion (Gupta et al. 2015): small
  // steps are not lost. The chance follows from the seed, the key, and how often the row has been
  // updated, so a replay rounds alike.
  void WriteUpdate(std::span<const float> value,
                   Key key,
                   uint32_t frequency,
                   std::byte* stored) const;

  // Rounds to the nearest value; of what was read, nothing changes.
  void WriteNearest(std::span<const float> value, std::byte* stored) const {
    if (is_float()) {
      CopyFloats(value.data(), value.size(), reinterpret_cast<float*>(stored));
    } else {
      WriteHalves(value, stored);
    }
  }

  // What reading gives after WriteNearest.
  void RoundNearest(std::span<float> value) const;

 private:
  void ReadHalves(const std::byte* stored, std::span<float> value) const;
  void WriteHalves(std::span<const float> value, std::byte* stored) const;

  const proto::ValueType type_;
  const uint32_t dim_;
  const uint64_t seed_;
};

}  // namespace freshet::ps
