#pragma once

namespace freshet {

// A named place where a test can have the process die, to prove what is left behind. With
// FRESHET_CRASH_AT=<name> in the environment the process kills itself (SIGKILL: nothing is flushed,
// nothing is closed) when it gets there; FRESHET_CRASH_AT=<name>:<n> means the n-th time. Without
// the variable, inert. Thread-safety: any thread.
void CrashPoint(const char* name);

}  // namespace freshet
