"""The table of rooms holds, and the contract that keeps it can be broken."""

import tomllib
from pathlib import Path

import grimp
import pytest

from tests.house.room_contract import RoomContract

PROJECT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
ROWS = {row["room"]: row["may_import"] for row in CONTRACTS if row["type"] == "room"}


def refused(*imports: tuple[str, str]) -> list[tuple[str, str]]:
    graph = grimp.ImportGraph()
    for importer, imported in imports:
        for module in (importer, imported):
            if module not in graph.modules:
                graph.add_module(module)
        graph.add_import(importer=importer, imported=imported)
    broken: list[tuple[str, str]] = []
    for room, may_import in ROWS.items():
        options = {"room": room, "may_import": may_import}
        contract = RoomContract(name=room, session_options={}, contract_options=options)
        broken.extend(contract.check(graph, verbose=False).metadata["broken"])
    return broken


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("holdfast.core.records", "holdfast.core.model"),
        ("holdfast.core.model", "msgspec"),
        ("holdfast.core.model", "hashlib"),
        ("holdfast.web.auth", "holdfast"),
        ("holdfast.catalog.sqlite", "holdfast.core.ports"),
        ("holdfast.catalog.sqlite", "apsw"),
        ("holdfast.compose", "holdfast.catalog.sqlite"),
        ("holdfast.dialects.navarik.routes", "holdfast.web.body"),
        ("holdfast.app", "holdfast.dialects"),
        ("holdfast.cli", "holdfast.transport.server"),
        ("holdfast.transport.connection", "httptools"),
    ],
)
def test_the_table_allows(importer: str, imported: str) -> None:
    assert refused((importer, imported)) == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("holdfast.core.model", "holdfast.settings"),
        ("holdfast.core.model", "falcon"),
        ("holdfast.transport.server", "holdfast.web.wire"),
        ("holdfast.core.model", "some_library_nobody_thought_of"),
        ("holdfast.catalog.sqlite", "holdfast.core.store"),
        ("holdfast.catalog.sqlite", "holdfast.blobs.disk"),
        ("holdfast.blobs.disk", "apsw"),
        ("holdfast.media.cage", "holdfast.web.body"),
        ("holdfast.web.auth", "holdfast.dialects.native"),
        ("holdfast.web.auth", "holdfast.settings"),
        ("holdfast.dialects.native", "holdfast.catalog.sqlite"),
        ("holdfast.dialects.native", "prometheus_client"),
        ("holdfast.compose", "holdfast.web"),
        ("holdfast.app", "holdfast.settings"),
        ("holdfast.app", "holdfast.compose"),
        ("holdfast.cli", "holdfast.web"),
        ("holdfast.cli", "holdfast.passwords"),
        ("holdfast.settings", "holdfast.core.model"),
    ],
)
def test_the_table_refuses(importer: str, imported: str) -> None:
    assert refused((importer, imported)) == [(importer, imported)]


def test_adapters_are_named_by_compose_alone() -> None:
    adapters = {"holdfast.blobs", "holdfast.catalog", "holdfast.media", "holdfast.passwords"}
    assert [room for room, may_import in ROWS.items() if adapters & set(may_import)] == ["holdfast.compose"]
