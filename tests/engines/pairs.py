"""The pairs of engines that an installation can stand on: a catalog and a place for contents, each new and empty."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.settings import Settings, local_path
from tests.engines.postgres import fresh_database, server

CATALOGS = ("sqlite", "postgres")
PLACES = ("disk",)
PAIRS = tuple(f"{catalog}-{place}" for catalog in CATALOGS for place in PLACES)
"""The first is what an installation has that says nothing of its engines."""


@contextmanager
def fresh_pair(name: str) -> Iterator[Mapping[str, Any]]:
    """The settings of an installation on new engines of that pair, which are gone after the block.

    What its data folder holds is the caller's; PostgreSQL is served by a role that may serve and nothing more.
    """
    catalog, _, _ = name.partition("-")
    if catalog == "sqlite":
        yield {}
        return
    with fresh_database() as dsn:
        yield {"catalog": server().url(dsn)}


def held_in(settings: Settings) -> Path:
    """The folder where the installation's contents lie as files, whatever serves them."""
    return local_path(settings.blobs)
