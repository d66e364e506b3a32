"""Memory for answers in one piece: of all that one process has under way, and not of each alone."""

from shared_code.errors import Busy

MOST = 128 * 1024 * 1024
"""Bytes of all large answers together; an instance has two gigabytes for everything."""
SMALL = 1024 * 1024
"""Bytes of an answer that needs no room: an instance answers some thirty requests at a time, and none of these waits for large ones."""


class Room:
    def __init__(self, most: int = MOST) -> None:
        self.left = most

    def held(self) -> "Held":
        return Held(self)


class Held:
    """What one answer takes of it, from being read to being sent. It is given back by ``release``, or when nobody knows of it any more:
    an answer may find its client gone before a byte of it is sent."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """The answer has ``size`` bytes by now. Raises Busy when there is no room for them."""
        more = size - self.size if size > SMALL else 0
        if more > self._room.left:
            raise Busy("Too many large answers are under way here at the moment.", retry_after=5)
        self._room.left -= more
        self.size += more

    def release(self) -> None:
        self._room.left += self.size
        self.size = 0

    def __del__(self) -> None:
        self.release()
