#!/bin/sh
# package.sh FILE.zip: what is deployed, complete with its Python packages, so that what was tested and signed is what runs.
# Run it under the Python of infra/modules/app.bicep, on x86-64 Linux: packages with machine code are made for one of each.
set -eu
out=${1:?usage: package.sh FILE.zip}
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")/.."
rm -rf .package "$out"
mkdir .package
cp -R function_app.py host.json requirements.txt functions shared_code .package/
find .package -name __pycache__ -type d -prune -exec rm -rf {} +
"${PYTHON:-python}" -m pip install --quiet --disable-pip-version-check --no-compile --prefer-binary \
  --target .package/.python_packages/lib/site-packages --requirement requirements.txt
"${PYTHON:-python}" - "$out" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

# The same input gives the same bytes: sorted names and one date.
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(path for path in Path(".package").rglob("*") if path.is_file()):
        entry = zipfile.ZipInfo(str(path.relative_to(".package")), (1980, 1, 1, 0, 0, 0))
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (0o755 if path.stat().st_mode & 0o111 else 0o644) << 16
        archive.writestr(entry, path.read_bytes())
PYTHON
echo "$out: $(wc -c <"$out") bytes"
