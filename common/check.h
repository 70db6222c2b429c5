#pragma once

namespace freshet {

// Prints where and what, and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace freshet

// For what only a bug of ours can break; kept in release. What comes from outside is answered with
// a Status instead.
#define FRESHET_CHECK(condition)                              \
  do {                                                        \
    if (!(condition)) [[unlikely]] {                          \
      ::freshet::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                         \
  } while (false)

// Where the code can only come through a bug of ours.
#define FRESHET_UNREACHABLE() ::freshet::CheckFailed(__FILE__, __LINE__, "unreachable")

#ifdef NDEBUG
#define FRESHET_DCHECK(condition) \
  do {                            \
  } while (false)
#else
#define FRESHET_DCHECK(condition) FRESHET_CHECK(condition)
#endif
