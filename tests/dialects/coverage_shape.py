"""What a dialect's tests say they cover, in a form that can be counted."""

from typing import Literal, NamedTuple


class Behaviour(NamedTuple):
    kind: Literal["documented", "reading"]
    text: str
    test: str
