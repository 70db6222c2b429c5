#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "common/sample/sample_format.h"

// Numbers as they stand in samples. All of the text has to be the number.
namespace freshet {

// Decimal or scientific, with an optional sign. False: no finite number.
bool ParseNumber(std::string_view text, double* number);

// Unix time in `unit`, whole or with a fraction, to milliseconds (rounded down). False: not a
// number, or a time more than 100,000 years away.
bool ParseEventTime(std::string_view text, SampleFormat::TimeUnit unit, int64_t* milliseconds);

// Sample text inside an error message: quoted, cut short, and nothing a terminal would obey.
std::string Excerpt(std::string_view text);

}  // namespace freshet
