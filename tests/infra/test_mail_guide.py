"""What docs/guides/mail.md says of tries, records and tracking is what the code does."""

import re
from typing import get_args

from shared_code.mail import delivery, orders, records
from shared_code.storage.events import queue_of
from tests.infra.bicep import ROOT

GUIDE = " ".join((ROOT / "docs/guides/mail.md").read_text().split())


def test_how_often_and_how_long_a_mail_is_tried() -> None:
    delays = [min(delivery.LONGEST_DELAY, delivery.FIRST_DELAY * delivery.GROWTH**n) for n in range(orders.ATTEMPTS - 1)]
    assert (orders.ATTEMPTS, round(sum(delays) / 3600)) == (8, 9)
    assert "eight times over some nine hours" in GUIDE


def test_what_is_kept_and_where_it_waits() -> None:
    assert f"`{records.PREFIX}YYYYMMDD` tells for {records.KEPT_DAYS} days" in GUIDE
    told = re.search(r"what became of a message: (.*?), with its template", GUIDE)
    assert told
    assert set(re.findall(r"`(\w+)`", told[1])) == set(get_args(records.Status))
    assert f"`{delivery.POISON}`" in GUIDE
    assert f"`{queue_of('mail')}`" in GUIDE


def test_the_partition_that_is_deleted_by_hand_is_the_addresses() -> None:
    code = re.search(r'python3 -c "(.*?)"', GUIDE)
    assert code
    said: list[str] = []
    exec(code[1], {"print": said.append})  # noqa: S102 - the guide's own line
    assert said == [orders.address_hash("Ada@Example.com")]


def test_links_are_not_rewritten() -> None:
    assert "click and open tracking are off" in GUIDE
    sent = (ROOT / "shared_code/mail/sendgrid_provider.py").read_text()
    assert '"tracking_settings": {"click_tracking": {**off, "enable_text": False}, "open_tracking": off' in sent
