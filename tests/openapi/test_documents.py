"""The OpenAPI document of each dialect is true: no reply of a running server contradicts it, and none is a 5xx."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from holdfast.dialects import ALL
from holdfast.web.openapi import describe
from tests.serving import Served, run, served

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CASES = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("openapi") / "data"
    with served(data, "--demo", settings={"HOLDFAST_PROPERTY_DECK_RATE_LIMIT": "0"}) as running:
        yield running


POOLS = {
    "attachments": "attachment",
    "attachment": "attachment",
    "contacts": "contact",
    "properties": "property",
    "case": "case",
    "cases": "case",
    "organizations": "organization",
    "workspaces": "workspace",
    "documents": "document",
    "view": "project",
    "update": "project",
    "contact": "contact",
}
"""Which of the demo account's ids make sense behind a segment of a path."""


@pytest.fixture(scope="module")
def known(server: Served, authorization: dict[str, str]) -> dict[str, list[str]]:
    """Ids of the demo account, by kind."""
    with httpx.Client(base_url=server.base, headers=authorization) as client:
        found = {"attachment": [item["id"] for item in client.get("/v1/attachments").json()["items"]]}
        for kind in {kind for kind in POOLS.values() if kind != "attachment"}:
            found[kind] = [item["id"] for item in client.get(f"/v1/records/{kind}").json()["items"]]
    assert all(found.values())
    return found


def aim(case: Any, known: dict[str, list[str]], pick: int) -> None:
    """Put an id that is there into each field of the path for which one makes sense."""
    segments = case.operation.path.split("/")
    for before, field in itertools.pairwise(segments):
        kind = POOLS.get(before)
        if kind is not None and field.startswith("{"):
            case.path_parameters[field.strip("{}")] = known[kind][pick % len(known[kind])]
    if case.operation.path.startswith("/v1/records/{type}/{id}"):
        case.path_parameters.update(type="contact", id=known["contact"][pick % 2])


@pytest.fixture(scope="module")
def authorization(server: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token(account='demo')}"}


def operations() -> Iterator[Any]:
    """Every operation of every dialect; one that cannot be read fails here."""
    for dialect in ALL:
        for found in schemathesis.openapi.from_dict(describe(dialect)).get_all_operations():
            if isinstance(found, Err):
                raise found.err()
            operation = found.ok()
            yield pytest.param(dialect.name, operation, id=f"{dialect.name} {operation.label}")


@pytest.mark.parametrize(("dialect", "operation"), list(operations()))
def test_replies_keep_to_the_document(
    server: Served, authorization: dict[str, str], known: dict[str, list[str]], dialect: str, operation: Any
) -> None:
    @given(case=operation.as_strategy(), pick=strategies.integers(0, 5) | strategies.none())
    @settings(max_examples=CASES, suppress_health_check=list(HealthCheck), database=None)
    def explore(case: Any, pick: int | None) -> None:
        if pick is not None:
            aim(case, known, pick)
        response = case.call(base_url=server.base, headers=authorization)
        case.validate_response(response, checks=CHECKS)

    explore()


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: str(dialect.name))
def test_a_document_is_well_formed(dialect: Any) -> None:
    document = describe(dialect)
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


def test_the_command_line_prints_the_same_document() -> None:
    assert '"3.1' in run("openapi", "native")
