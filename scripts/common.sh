# What the scripts share; sourced, not run. Sets `repository`, the root of this checkout.
# shellcheck shell=bash
# shellcheck disable=SC2034
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# What a cluster runs; the tests are targets beside them.
programs=(freshet-coordinator freshet-ps freshet-worker freshet-serving freshetctl freshet-local)

say() {
  printf '%s\n' "$*" >&2
}

die() {
  say "$(basename "$0"): $*"
  exit 1
}

wrong_usage() {
  say "$(basename "$0"): $*"
  say "$(basename "$0") --help tells how to call it."
  exit 64
}

# usage FILE: the comment at the head of a script is its help text.
usage() {
  sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$1"
}

# Milliseconds of the machine's clock.
now_ms() {
  local now=${EPOCHREALTIME/[^0-9]/}
  printf '%s\n' $((now / 1000))
}
