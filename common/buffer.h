#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace freshet {

// Owned, movable bytes, aligned to a cache line and not initialised: what rpc carries.
class Buffer {
 public:
  static constexpr size_t kAlignment = 64;

  Buffer() = default;

  explicit Buffer(size_t bytes) : size_(bytes) {
    if (bytes > 0) {
      data_.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(kAlignment))));
    }
  }

  static Buffer CopyOf(std::span<const std::byte> bytes) {
    Buffer copy(bytes.size());
    if (!bytes.empty()) {
      std::memcpy(copy.data(), bytes.data(), bytes.size());
    }
    return copy;
  }

  std::byte* data() { return data_.get(); }

  const std::byte* data() const { return data_.get(); }

  size_t size() const { return size_; }

  bool empty() const { return size_ == 0; }

  std::span<std::byte> bytes() { return {data(), size_}; }

  std::span<const std::byte> bytes() const { return {data(), size_}; }

  // `count` values of T from byte `offset` on. The caller has checked that they fit.
  template <typename T>
  std::span<T> as(size_t offset, size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<T*>(data() + offset), count};
  }

  template <typename T>
  std::span<const T> as(size_t offset, size_t count) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<const T*>(data() + offset), count};
  }

 private:
  struct Free {
    void operator()(std::byte* data) const {
      ::operator delete(data, std::align_val_t(kAlignment));
    }
  };

  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

}  // namespace freshet
