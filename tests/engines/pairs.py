"""The pairs of engines that an installation can stand on: a catalog and a place for contents, each new and empty."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from holdfast.settings import Settings, local_path
from tests.engines.objects import CREDENTIALS, shared_store
from tests.engines.postgres import fresh_database, server

CATALOGS = ("sqlite", "postgres")
PLACES = ("disk", "s3")
PAIRS = tuple(f"{catalog}-{place}" for catalog in CATALOGS for place in PLACES)
"""The first is what an installation has that says nothing of its engines; the last has neither of its engines."""


@contextmanager
def fresh_pair(name: str) -> Iterator[Mapping[str, Any]]:
    """The settings of an installation on new engines of that pair, which are gone after the block.

    What its data folder holds is the caller's; PostgreSQL is served by a role that may serve and nothing more.
    """
    catalog, _, place = name.partition("-")
    settings: dict[str, Any] = {}
    with ExitStack() as held:
        if catalog == "postgres":
            settings["catalog"] = server().url(held.enter_context(fresh_database()))
        if place == "s3":
            held.enter_context(mock.patch.dict(os.environ, CREDENTIALS))
            bucket = shared_store().fresh()
            settings |= {"blobs": bucket.url, "s3_endpoint": bucket.endpoint, "s3_region": bucket.region}
        yield settings


def as_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """The same for a process of its own."""
    named = {f"HOLDFAST_{name.upper()}": str(value) for name, value in settings.items()}
    return named | (CREDENTIALS if "blobs" in settings else {})


def held_in(settings: Settings) -> Path:
    """The folder where the installation's contents lie as files, whatever serves them."""
    if settings.blobs.startswith("s3://"):
        return shared_store().folder / settings.blobs.removeprefix("s3://")
    return local_path(settings.blobs)
