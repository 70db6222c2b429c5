#pragma once

namespace freshet::ps {

// Fetches the cache line at the address, to be used later, without waiting for it.
//
// The empty statement keeps it alive. g++ 12 takes a function that does nothing but prefetch for
// one without effect and leaves calls of it out, unless it has inlined them before it looks; so the
// rows of an update were never fetched.
inline void Prefetch(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");
}

}  // namespace freshet::ps
