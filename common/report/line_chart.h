#pragma once
#include <string>
#include <vector>

namespace freshet {

struct ChartLine {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;  // as many; what is no number is left out
};

// An SVG file with the lines over a common x, and a legend.
std::string DrawChart(const std::string& title,
                      const std::string& x_title,
                      const std::vector<ChartLine>& lines);

}  // namespace freshet
