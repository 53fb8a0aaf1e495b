"""Generated requests against the OpenAPI document: no fault of the server, no reply outside the document."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from holdfast.dialects.property_deck import PROPERTY_DECK
from holdfast.web.openapi import describe
from tests.dialects.property_deck.stage import Stage, staged
from tests.installation import HOST

DOCUMENT = describe(PROPERTY_DECK)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Theatre:
    """A stage on a loop of its own, for tests that are not coroutines, and the ids that are there."""

    def __init__(self, runner: asyncio.Runner, stage: Stage) -> None:
        self.run = runner.run
        self.stage = stage
        contact, property = self.run(stage.contact()), self.run(stage.property())
        attachment = self.run(stage.upload(f"/contacts/{contact}"))["uuid"]
        self.ids = {"/contacts": contact, "/properties": property, "/attachments": attachment}

    def send(self, case: Any) -> httpx.Response:
        prepared: Any = requests.Request(**_request_of(case)).prepare()
        headers = dict(prepared.headers)
        return self.run(self.stage.http.request(prepared.method, prepared.url, content=prepared.body, headers=headers))


def _request_of(case: Any) -> dict[str, Any]:
    known = {"method", "url", "headers", "files", "data", "params", "json", "cookies"}
    return {key: value for key, value in case.as_transport_kwargs(base_url=HOST).items() if key in known}


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    with asyncio.Runner() as runner:
        context = staged(tmp_path)
        stage = runner.run(context.__aenter__())
        yield Theatre(runner, stage)
        runner.run(context.__aexit__(None, None, None))


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_generated_request_gets_an_answer_outside_the_document(path: str, method: str, theatre: Theatre) -> None:
    cases = SCHEMA[path][method.upper()].as_strategy()
    known = theatre.ids["/" + path.split("/")[1]]

    @hypothesis.settings(max_examples=25, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(case=cases, uuid=st.sampled_from([None, known]))
    def ask(case: Any, uuid: str | None) -> None:
        if uuid is not None and "uuid" in case.path_parameters:
            case.path_parameters["uuid"] = uuid
        case.validate_response(theatre.send(case), checks=CHECKS)

    ask()
