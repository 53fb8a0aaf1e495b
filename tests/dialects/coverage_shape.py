"""How a dialect's tests say what they cover, so that it can be counted."""

from typing import Literal, NamedTuple


class Behaviour(NamedTuple):
    """One documented behaviour, or one reading where the vendor is silent, and the test that shows it."""

    kind: Literal["documented", "reading"]
    text: str
    test: str
