#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace freshet {

// The candidate that `word` was probably meant to be: the least edit distance (insert, delete,
// replace, swap of neighbours), and that no more than a third of the word. Ties: the first.
std::optional<std::string> Nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

// What to say after an unknown word: "did you mean 'a'?", or, with none near, "known: a, b, c".
std::string Suggestion(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace freshet
