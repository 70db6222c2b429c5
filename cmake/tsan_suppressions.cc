// Part of every binary of a TSan build. The packaged libraries are not instrumented:
// libabsl: TSan does not see that the count of references orders the last use of a Status's text
// before its deletion. librocksdb: nor how its own threads hand their objects to each other.
// libzmq: nor how messages go from thread to thread through its queues.
extern "C" const char* __tsan_default_suppressions() {  // NOLINT: the name is TSan's
  return "race:Status::Unref\nrace:librocksdb\nrace:libzmq\n";
}
