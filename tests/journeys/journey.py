"""What a dialect must be able to tell: the one story, in its own words.

A dialect joins by a file of its own in this folder, named for it, that holds `journey`: a function that makes a
`Journey` for an installation. Nothing else needs to know of it.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from holdfast.core.model import RecordRef
from tests.installation import Installation

Home = RecordRef | str
"""Where an attachment hangs or lies: a record, or the path of a folder."""


@dataclass(frozen=True)
class File:
    """What is uploaded. The name and type are ones that every dialect takes."""

    name: str
    media_type: str
    content: bytes


class Journey(Protocol):
    """The steps. Each asks the API and asserts that the answer is the one that its page documents.

    A `handle` is whatever the API calls an attachment by; `core_id` says which attachment of the store it is.
    """

    async def make_parent(self) -> Home:
        """Make what a file is attached to; where the upload will be found in the store."""
        ...

    async def upload(self, file: File) -> str:
        """Attach the file to the parent; its handle."""
        ...

    async def core_id(self, handle: str) -> str:
        """The id of that attachment in the store."""
        ...

    async def listed(self) -> list[str]:
        """The handles that the parent's list gives."""
        ...

    async def describe(self, handle: str) -> Mapping[str, object]:
        """Change what the API lets change; the members of the attachment that are different now, and their values.

        Empty where the API changes nothing.
        """
        ...

    async def download(self, handle: str) -> bytes:
        """The bytes."""
        ...

    async def carry(self, handle: str) -> tuple[str, Home]:
        """Link it to a further record, or move it; its handle from now on, and where it is found in the store.

        An API that can do neither has it done through the operator's desk.
        """
        ...

    async def delete(self, handle: str) -> None:
        """Delete it; an API that cannot has it done through the operator's desk."""
        ...

    async def is_gone(self, handle: str) -> bool:
        """Whether describing, downloading and deleting it all answer that it is not there."""
        ...


Begin = Callable[[Installation], Awaitable[Journey]]


def every_journey() -> dict[str, Begin]:
    """The journeys in this folder by the name of their file."""
    here = Path(__file__).parent
    names = sorted(module.name for module in pkgutil.iter_modules([str(here)]))
    found = {}
    for name in names:
        if name != "journey" and not name.startswith("test_"):
            found[name] = importlib.import_module(f"tests.journeys.{name}").journey
    return found
