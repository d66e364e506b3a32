"""What the mail tests share."""

from collections.abc import Iterator

import pytest

from tests.unit.mail.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found
