"""`python -m local.preflight URL`: probe a deployment. Exit codes: 0 nothing failed, 1 something did, 2 it never answered."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

import httpx

from .checks import CHECKS
from .report import exit_code, run_all, summary
from .target import Options, Target


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.preflight",
        description="Probe a deployment for what no stand-in can show.",
        epilog="TOKEN and STRIPE_WEBHOOK_SECRET are read from the environment, where other users of this machine do not see them.",
    )
    parser.add_argument("url", help="the public address, such as https://api.contoso.com")
    parser.add_argument("--smoke", action="store_true", help="only what needs no token, stores nothing and takes seconds")
    parser.add_argument("--long", action="store_true", help="also what takes minutes and hundreds of megabytes")
    parser.add_argument("--only", help="comma list of: " + ", ".join(check.name for check in CHECKS))
    parser.add_argument(
        "--patience", type=float, default=90, help="seconds that the first answer, a trigger or a timer may take (default: %(default)s)"
    )
    parser.add_argument("--streams", type=int, default=30, help="parallel streams (default: %(default)s)")
    parser.add_argument("--origin", default="", help="an origin that CORS_ORIGINS names")
    parser.add_argument("--mail-domain", default="", help="the domain that mail is sent as")
    parser.add_argument("--mail-subdomain", default="", help="SendGrid's subdomain of it, such as em1234")
    parser.add_argument("--resolver", default="", help="address of a DNS server (default: the system's)")
    parser.add_argument(
        "--body-limit", type=int, default=Options.body_limit, help="FUNCTIONS_REQUEST_BODY_SIZE_LIMIT there (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if not options.url.startswith(("http://", "https://")):
        parser.error("URL begins with https:// (or http:// on this machine)")
    unknown = set(filter(None, (options.only or "").split(","))) - {check.name for check in CHECKS}
    if unknown:
        parser.error(f"--only knows no {', '.join(sorted(unknown))}")
    return options


def awake(target: Target) -> bool:
    """Whether it answers within the patience: a first start takes its time, and a first deployment minutes."""
    deadline = time.monotonic() + target.options.patience
    while True:
        try:
            if target.client.get("/health", timeout=min(30, target.options.patience + 1)).status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(min(2, target.options.patience / 10))


def main(arguments: Sequence[str] | None = None) -> int:
    given = parse(arguments)
    options = Options(
        long=given.long, streams=given.streams, origin=given.origin, mail_domain=given.mail_domain, mail_subdomain=given.mail_subdomain,
        resolver=(given.resolver, 53) if given.resolver else None, body_limit=given.body_limit, patience=given.patience,
        webhook_secret=os.environ.get("STRIPE_WEBHOOK_SECRET", ""),
    )  # fmt: skip
    target = Target(given.url.rstrip("/"), os.environ.get("TOKEN", ""), options)
    with target.client:
        if not awake(target):
            print(f"{target.url}/health does not answer 200 within {options.patience:.0f} s", file=sys.stderr)
            return 2
        wanted = set(given.only.split(",")) if given.only else {check.name for check in CHECKS if check.smoke or not given.smoke}
        findings = run_all([check for check in CHECKS if check.name in wanted], target, lambda text: print(text, flush=True))
    print(f"\n{summary(findings)}")
    return exit_code(findings)


if __name__ == "__main__":
    sys.exit(main())
