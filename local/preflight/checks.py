"""All checks, in the order in which they are made: what is wrong first explains the rest."""

from collections.abc import Sequence

from . import edge, mail, streams, triggers, trust, uploads
from .report import Check

CHECKS: Sequence[Check] = (
    Check("tls", "TLS and certificate", edge.tls, smoke=True),
    Check("redirect", "http leads to https", edge.redirect, smoke=True),
    Check("headers", "security headers and request id", edge.headers, smoke=True),
    Check("well-known", "/.well-known", edge.well_known, smoke=True),
    Check("root", "/", edge.root, smoke=True),
    Check("errors", "404 and 405", edge.not_found_and_not_allowed, smoke=True),
    Check("non-ascii", "headers that are not ASCII", edge.non_ascii, smoke=True),
    Check("cors", "CORS", edge.cors, smoke=True),
    Check("token", "a token against the JWKS", trust.token),
    Check("webhook", "Stripe's webhook secret", trust.webhook, smoke=True),
    Check("mail-dns", "mail DNS", mail.mail, smoke=True),
    Check("limit", "413 against the host's limit", uploads.limit),
    Check("blob-trigger", "blob trigger", uploads.blob_trigger),
    Check("identity", "triggers and grants by identity", uploads.identity_triggers),
    Check("direct", "a direct upload", uploads.direct),
    Check("large", "an upload of 100 MiB", uploads.large),
    Check("queue", "queues are read", triggers.queue),
    Check("timer", "timers run", triggers.timer),
    Check("leaves", "a caller who leaves before the first byte", streams.leaves_early),
    Check("parallel", "parallel streams", streams.parallel),
    Check("stream", "a stream of five minutes", streams.five_minutes),
)
