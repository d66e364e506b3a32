"""`python -m local.openapi [--check] FILE`: write the OpenAPI document of all services, or fail when FILE differs from it."""

import json
import os
import sys
from pathlib import Path


def current() -> str:
    os.environ.update(SERVICES="all", ENVIRONMENT="local", AZURE_STORAGE_CONNECTION_STRING="")
    import function_app
    from functions.common.openapi import document

    return json.dumps(document(function_app.web), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    check, paths = "--check" in sys.argv, [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(paths) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    path, text = Path(paths[0]), current()
    if not check:
        path.write_text(text)
        return 0
    if path.exists() and path.read_text() == text:
        return 0
    print(f"{path} is not what the routes declare: run python -m local.openapi {path} and look at the change.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
