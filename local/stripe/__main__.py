"""`python -m local.stripe`: the stand-in alone."""

import argparse
import sys
from pathlib import Path

from .run import listen, serve
from .server import StripeServer


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.stripe", description="A stand-in for Stripe, for local runs and tests.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=12111, help="default: %(default)s; 0: any free")
    parser.add_argument("--data", type=Path, help="file that keeps the state over restarts (default: none)")
    parser.add_argument("--base-url", help="where browsers reach it, when that is not the host that requests name")
    parser.add_argument("--webhook-url", help="where events are delivered (default: nowhere)")
    parser.add_argument("--webhook-secret", default="", help="what they are signed with; a comma list signs with each")
    parser.add_argument("--secret-key", help="the only key that is let in (default: any that starts with sk_test_)")
    parser.add_argument("--verbose", action="store_true", help="a line for each request")
    options = parser.parse_args(arguments)
    if options.webhook_url and not options.webhook_secret:
        parser.error("--webhook-url needs --webhook-secret")
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        sys.stderr.write(f"error: port {options.port} of {options.host} can't be used: {error.strerror}. Choose another: --port N\n")
        return 1
    server = StripeServer(
        webhook_url=options.webhook_url, webhook_secret=options.webhook_secret, secret_key=options.secret_key, data=options.data,
        base_url=options.base_url,
    )  # fmt: skip
    host, port = listener.getsockname()[:2]
    print(f"Stripe's stand-in listens on http://{host}:{port}", flush=True)
    serve(server, listener, quiet=not options.verbose)
    return 0


if __name__ == "__main__":
    sys.exit(main())
