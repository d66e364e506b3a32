#!/usr/bin/env bash
# All that can be said of the templates without deploying them. The tests in tests/infra are not repeated here.
#   infra/check.sh           what is at hand: Bicep's own compiler and linter, a checker of types without it, checkov
#   CHECKOV=checkov          another checkov; by default one is installed into .data/checkov (half a minute, some 300 MB)
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n=== %s\n' "$1"; }

say "bicep build and lint"
if command -v bicep >/dev/null; then
  bicep build infra/main.bicep --stdout >/dev/null
  bicep build infra/events.bicep --stdout >/dev/null
  bicep build-params infra/main.bicepparam --stdout >/dev/null
  bicep lint infra/main.bicep
  bicep lint infra/events.bicep
else
  echo "no bicep here: https://github.com/Azure/bicep/releases. What only a compiler knows was not checked."
fi

say "resource types, without a compiler"
checker=../shared/tools/bicep_check
if [ -f "$checker" ]; then .venv/bin/python "$checker" infra; else echo "no $checker here"; fi

say "checkov"
checkov=${CHECKOV:-.data/checkov/bin/checkov}
if ! command -v "$checkov" >/dev/null; then
  "${PYTHON:-python3}" -m venv .data/checkov
  .data/checkov/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30
fi
report=$(mktemp)
trap 'rm -f "$report"' EXIT
"$checkov" -d infra --framework bicep --skip-download -o json >"$report" || true
# It exits with 0 on what it cannot parse, so its own count decides.
.venv/bin/python tests/infra/checkov_report.py "$report"
