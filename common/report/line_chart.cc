#include "common/report/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace freshet {
namespace {

constexpr double kWidth = 860.0;
constexpr double kHeight = 420.0;
constexpr double kLeft = 80.0;
constexpr double kRight = 180.0;
constexpr double kTop = 40.0;
constexpr double kBottom = 50.0;
constexpr int kTicks = 5;
constexpr std::array kColors = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b"};

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void Include(double value) {
    if (std::isfinite(value)) {
      least = std::min(least, value);
      most = std::max(most, value);
    }
  }

  // Some room, so that no line lies on the frame, and no range is empty.
  void Widen(double share) {
    if (least > most) {
      least = 0.0;
      most = 1.0;
    }
    const double room = most > least ? (most - least) * share : std::max(1e-3, least * share);
    least -= room;
    most += room;
  }

  double Place(double value) const { return (value - least) / (most - least); }
};

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

class Chart {
 public:
  explicit Chart(const std::vector<ChartLine>& lines) : lines_(lines) {
    for (const ChartLine& line : lines) {
      for (size_t i = 0; i < line.x.size(); ++i) {
        x_.Include(line.x[i]);
        y_.Include(line.y[i]);
      }
    }
    x_.Widen(0.0);
    y_.Widen(0.05);
  }

  std::string Draw(const std::string& title, const std::string& x_title) {
    svg_ = fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" )"
                       R"(viewBox="0 0 {0} {1}" font-family="sans-serif" font-size="12">)"
                       "\n"
                       R"(<rect width="{0}" height="{1}" fill="white"/>)"
                       "\n",
                       kWidth,
                       kHeight);
    Text(kLeft, kTop - 14, "start", 15, title);
    Text(X(x_.least) + (kWidth - kLeft - kRight) / 2, kHeight - 10, "middle", 12, x_title);
    for (int tick = 0; tick <= kTicks; ++tick) {
      DrawTick(static_cast<double>(tick) / kTicks);
    }
    for (size_t i = 0; i < lines_.size(); ++i) {
      DrawLine(lines_[i], kColors[i % kColors.size()], i);
    }
    return svg_ + "</svg>\n";
  }

 private:
  double X(double value) const { return kLeft + x_.Place(value) * (kWidth - kLeft - kRight); }

  double Y(double value) const {
    return kHeight - kBottom - y_.Place(value) * (kHeight - kTop - kBottom);
  }

  void Text(double x, double y, const char* anchor, int size, const std::string& text) {
    svg_ += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="{}">{}</text>)"
                        "\n",
                        x,
                        y,
                        anchor,
                        size,
                        Escaped(text));
  }

  void Stroke(const std::string& points, const char* color, double width) {
    svg_ += fmt::format(R"(<polyline points="{}" fill="none" stroke="{}" stroke-width="{}"/>)"
                        "\n",
                        points,
                        color,
                        width);
  }

  void DrawTick(double share) {
    const double y = y_.least + share * (y_.most - y_.least);
    const double x = x_.least + share * (x_.most - x_.least);
    Stroke(fmt::format("{:.1f},{:.1f} {:.1f},{:.1f}", kLeft, Y(y), kWidth - kRight, Y(y)),
           "#dddddd",
           1);
    Text(kLeft - 6, Y(y) + 4, "end", 11, fmt::format("{:.4g}", y));
    Text(X(x), kHeight - kBottom + 18, "middle", 11, fmt::format("{:.4g}", x));
  }

  void DrawLine(const ChartLine& line, const char* color, size_t number) {
    std::string points;
    for (size_t i = 0; i < line.x.size(); ++i) {
      if (std::isfinite(line.x[i]) && std::isfinite(line.y[i])) {
        points += fmt::format("{:.1f},{:.1f} ", X(line.x[i]), Y(line.y[i]));
      }
    }
    Stroke(points, color, 1.5);
    const double y = kTop + 18.0 * static_cast<double>(number);
    Stroke(fmt::format(
               "{:.1f},{:.1f} {:.1f},{:.1f}", kWidth - kRight + 12, y, kWidth - kRight + 32, y),
           color,
           2);
    Text(kWidth - kRight + 38, y + 4, "start", 12, line.name);
  }

  const std::vector<ChartLine>& lines_;
  Range x_;
  Range y_;
  std::string svg_;
};

}  // namespace

std::string DrawChart(const std::string& title,
                      const std::string& x_title,
                      const std::vector<ChartLine>& lines) {
  return Chart(lines).Draw(title, x_title);
}

}  // namespace freshet
