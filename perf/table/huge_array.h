#pragma once
#include <cstddef>
#include <memory>
#include <type_traits>

namespace freshet::perf {

// Zeroed memory on 2 MiB pages, as far as the kernel has them; taken from it page by page as it is
// touched.
class HugePages {
 public:
  explicit HugePages(size_t bytes);

  void* data() const { return data_.get(); }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(void* data) const;
  };

  std::unique_ptr<void, Unmap> data_{nullptr, Unmap{.bytes = 0}};
};

// `count` zeroed elements on huge pages.
template <typename T>
class HugeArray {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  explicit HugeArray(size_t count) : pages_(count * sizeof(T)), size_(count) {}

  T* data() { return static_cast<T*>(pages_.data()); }

  const T* data() const { return static_cast<const T*>(pages_.data()); }

  size_t size() const { return size_; }

  T& operator[](size_t i) { return data()[i]; }

  const T& operator[](size_t i) const { return data()[i]; }

 private:
  HugePages pages_;
  size_t size_;
};

}  // namespace freshet::perf
