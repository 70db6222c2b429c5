#pragma once

namespace freshet::ps {

// The mean of a value of ours and one of another model's, of which `weight` is that one's share.
inline float Mix(float own, float other, float weight) {
  return (1.0F - weight) * own + weight * other;
}

}  // namespace freshet::ps
