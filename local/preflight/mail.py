"""Whether mail in our name is believed: what SendGrid's domain authentication and DMARC want of DNS (docs/guides/dns.md)."""

import re
import struct

from .dns import NoAnswer, records
from .target import Broken, CannotTell, Target

KEY = re.compile(r"\bp=\s*[A-Za-z0-9+/]")
"""An empty one was revoked (RFC 6376, 3.6.1)."""


def mail(target: Target) -> str:
    domain, subdomain, resolver = target.options.mail_domain, target.options.mail_subdomain, target.options.resolver
    if not domain:
        raise CannotTell("name the sender's domain with --mail-domain")
    try:
        keys = [key for key in ("s1", "s2") if any(KEY.search(text) for text in records(f"{key}._domainkey.{domain}", "TXT", resolver))]
        policies = [text for text in records(f"_dmarc.{domain}", "TXT", resolver) if text.startswith("v=DMARC1")]
        sender = f"{subdomain}.{domain}" if subdomain else domain
        spf = [text for text in records(sender, "TXT", resolver) if text.startswith("v=spf1")]
        # What the alias leads to is SendGrid's own, and may list its addresses without its name.
        alias = [name for name in records(sender, "CNAME", resolver) if name.lower().endswith(".sendgrid.net")] if subdomain else []
    except (NoAnswer, IndexError, struct.error) as error:
        raise CannotTell(str(error) or "an answer that is no DNS") from None
    if not keys:
        raise Broken(f"no DKIM key at s1._domainkey.{domain} or s2._domainkey.{domain}")
    if len(policies) != 1:
        raise Broken(f"_dmarc.{domain} has {len(policies)} policies, and must have one")
    if len(spf) != 1 or not (alias or "sendgrid.net" in spf[0]):
        raise Broken(
            f"SPF of {subdomain or '(the domain itself)'} is {spf}; with automated security name SendGrid's subdomain: --mail-subdomain"
        )
    return f"DKIM {' and '.join(keys)}, SPF, {policies[0]}"
