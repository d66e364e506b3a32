# shellcheck shell=sh
# What the hooks share. They are POSIX sh, may run twice, and never print a secret.
set -eu
cd "$(dirname "$0")/../.." # the repository, wherever azd or a person starts them

say() { printf 'lydian: %s\n' "$*"; }
die() { printf 'lydian: %s\n' "$*" >&2; exit 1; }

need() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || die "$tool is not installed: docs/deployment.md says what a deployment needs"
  done
}

# Fails naming what azd, or main.bicep's outputs, should have set.
want() {
  for name in "$@"; do
    eval "value=\${$name:-}"
    [ -n "$value" ] || die "$name is not set: run this through azd, or export the outputs of main.bicep (infra/hooks/outputs.sh)"
  done
}

# retry TIMES WHAT COMMAND…: until it succeeds. Role assignments take minutes to be known everywhere.
retry() {
  left=$1 what=$2
  shift 2
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || die "$what: given up"
    say "$what: not yet, trying again in ${HOOK_PAUSE:-10} s"
    sleep "${HOOK_PAUSE:-10}"
  done
}

# The outputs' array, as azd writes it (["a","b"]) or az does, as words.
words() { printf '%s' "$1" | tr -d '[]"\n' | tr ',' ' '; }
