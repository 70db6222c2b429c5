#pragma once
#include <cstdint>
#include <string>

// Numbers as people read them.
namespace freshet::freshetctl {

std::string Count(uint64_t number);            // 1,234,567
std::string Bytes(uint64_t bytes);             // 17 B, 1.2 MiB
std::string Duration(int64_t milliseconds);    // 12ms, 3.4s, 5m10s, 2h03m, 4d07h
std::string UtcTime(int64_t unix_ms);          // 2026-03-01 12:30:59; "-" for 0
std::string Score(double value, uint64_t of);  // 4 decimals; "-" of no samples

}  // namespace freshet::freshetctl
