// Part of every binary of a TSan build. The packaged libabsl is not instrumented: TSan does not see
// that the count of references orders the last use of a Status's text before its deletion.
extern "C" const char* __tsan_default_suppressions() {  // NOLINT: the name is TSan's
  return "race:Status::Unref\n";
}
