"""DNS read by ourselves: records behind aliases, answers that lie, and what mail needs of them."""

import socket
import struct
import threading
from pathlib import Path

import pytest

from local.preflight import dns
from local.preflight.mail import mail
from local.preflight.target import Broken, CannotTell, Options, Target
from tests.unit.preflight.servers import name_of, name_server, record, text

GOOD = {
    # As a resolver answers: the alias first, then what it leads to.
    "s1._domainkey.contoso.com": [record(5, name_of("s1.domainkey.u1.wl1.sendgrid.net")), record(16, text("k=rsa; t=s; p=" + "M" * 300))],
    "s2._domainkey.contoso.com": [record(16, text("k=rsa; p=MIIB"))],
    "_dmarc.contoso.com": [record(16, text("v=DMARC1; p=quarantine"))],
    "em1.contoso.com": [record(5, name_of("u1.wl1.sendgrid.net")), record(16, text("v=spf1 ip4:192.0.2.1 include:sendgrid.net -all"))],
    "contoso.com": [record(16, text("some-site-verification=x"))],
}


def asked(zone: dict[str, list[bytes]], **options: str) -> str:
    with name_server(zone) as server:
        given = {"mail_domain": "contoso.com", "mail_subdomain": "em1", **options}
        return mail(Target("http://127.0.0.1:9", options=Options(resolver=server, **given)))  # type: ignore[arg-type]


def test_records_of_a_kind_and_long_ones_put_together() -> None:
    with name_server(GOOD) as server:
        (key,) = dns.records("s1._domainkey.contoso.com", "TXT", server)
        assert (len(key), key[:5]) == (14 + 300, "k=rsa")
        assert dns.records("s1._domainkey.contoso.com.", "CNAME", server) == ["s1.domainkey.u1.wl1.sendgrid.net"]
        assert dns.records("nothing.contoso.com", "TXT", server) == []


def test_mail_that_is_believed() -> None:
    assert asked(GOOD) == "DKIM s1 and s2, SPF, v=DMARC1; p=quarantine"
    # Who has addresses of their own at SendGrid finds them behind the alias, and nobody's name.
    own = {"em1.contoso.com": [record(5, name_of("u1.wl1.sendgrid.net")), record(16, text("v=spf1 ip4:192.0.2.1 -all"))]}
    assert asked(GOOD | own) == asked(GOOD)
    at_the_domain = {"contoso.com": [record(16, text("v=spf1 include:sendgrid.net ~all"))]}
    assert asked(GOOD | at_the_domain, mail_subdomain="") == asked(GOOD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"s1._domainkey.contoso.com": [], "s2._domainkey.contoso.com": []}, "no DKIM key"),
        ({f"{key}._domainkey.contoso.com": [record(16, text("k=rsa; p="))] for key in ("s1", "s2")}, "no DKIM key"),
        ({"_dmarc.contoso.com": []}, "0 policies"),
        ({"_dmarc.contoso.com": [record(16, text("v=DMARC1; p=none"))] * 2}, "2 policies"),
        ({"em1.contoso.com": []}, "SPF of em1"),
        ({"em1.contoso.com": [record(16, text("v=spf1 include:other.example -all"))]}, "SPF of em1"),
        (
            {"em1.contoso.com": [record(5, name_of("sendgrid.net.other.example")), record(16, text("v=spf1 ip4:192.0.2.1 -all"))]},
            "SPF of em1",
        ),
    ],
)
def test_mail_that_is_not(change: dict[str, list[bytes]], said: str) -> None:
    with pytest.raises(Broken, match=said):
        asked(GOOD | change)


def test_without_a_domain_and_without_a_resolver() -> None:
    with pytest.raises(CannotTell, match="--mail-domain"):
        asked(GOOD, mail_domain="")
    with pytest.raises(CannotTell, match="no resolver answers"):
        mail(Target("http://127.0.0.1:9", options=Options(mail_domain="contoso.com", resolver=("127.0.0.1", 9))))


@pytest.mark.parametrize(
    "tail",
    [
        b"\xc0\x0c" * 2,  # a name that points at itself, once the question is cut out
        b"",
        record(16, b"\x40short")[:-1],
    ],
)
def test_answers_that_lie_are_no_answers(tail: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))

        def serve() -> None:
            query, client = wire.recvfrom(1024)
            wire.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 0, 5, 0, 0) + tail, client)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(CannotTell):
            mail(Target("http://127.0.0.1:9", options=Options(mail_domain="contoso.com", resolver=wire.getsockname())))
        thread.join()


def test_the_systems_resolver(tmp_path: Path) -> None:
    config = tmp_path / "resolv.conf"
    config.write_text("# none of mine\nnameserver fe80::1%eth0\nnameserver 192.0.2.53\n")
    assert dns.system_resolver(config) == ("192.0.2.53", 53)
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(dns.NoAnswer, match="--resolver"):
            dns.system_resolver(missing)
