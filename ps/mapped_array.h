#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>

namespace freshet::ps {

// Zeroed memory from the system, contiguous and on huge pages where there are some, that grows
// without being copied: the system moves its pages. 2 MiB aligned; what is not touched takes no
// memory. Thread-safety: one thread at a time.
class MappedMemory {
 public:
  MappedMemory() = default;

  MappedMemory(MappedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        reserved_(std::exchange(other.reserved_, 0)),
        filled_ahead_(std::exchange(other.filled_ahead_, false)) {}

  MappedMemory& operator=(MappedMemory&& other) noexcept;
  ~MappedMemory();

  // Growing: the bytes so far stay, new ones are zero, the address changes. Shrinking: the bytes
  // beyond are given back to the system, and the address stays. The process ends if the system has
  // no more address space.
  void Resize(size_t bytes);

  // These bytes, of those that there are, will be written to soon: a hint for a PageFiller. The
  // next Resize makes it forget those it has not come to.
  void FillAhead(size_t begin, size_t end);

  std::byte* data() const { return data_; }

  size_t size() const { return size_; }

 private:
  void Withdraw();

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t reserved_ = 0;  // of address space
  bool filled_ahead_ = false;
};

// The same, of elements that are fine when all their bytes are zero.
template <typename T>
class MappedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  void Resize(size_t count) {
    memory_.Resize(count * sizeof(T));
    count_ = count;
  }

  // Of elements.
  void FillAhead(size_t begin, size_t end) {
    memory_.FillAhead(begin * sizeof(T), end * sizeof(T));
  }

  T& operator[](size_t i) { return data()[i]; }

  const T& operator[](size_t i) const { return data()[i]; }

  T* data() { return reinterpret_cast<T*>(memory_.data()); }

  const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }

  size_t size() const { return count_; }

  size_t bytes() const { return memory_.size(); }

 private:
  MappedMemory memory_;
  size_t count_ = 0;
};

}  // namespace freshet::ps
