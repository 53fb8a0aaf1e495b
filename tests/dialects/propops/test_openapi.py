"""Generated requests about things that are there: no fault of the server, no reply outside the document."""

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
    response_schema_conformance,
    status_code_conformance,
)

from holdfast.dialects.propops import PROPOPS
from holdfast.web.openapi import describe
from tests.dialects.propops.stage import DOCUMENTS, NOTE_FILES, PDF, Stage, staged
from tests.installation import HOST

DOCUMENT = describe(PROPOPS)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


class Theatre:
    """A stage on a loop of its own, for tests that are not coroutines, and the things that are there."""

    def __init__(self, runner: asyncio.Runner, stage: Stage) -> None:
        self.run = runner.run
        self.stage = stage
        self.known = self.run(self._furnish())

    async def _furnish(self) -> dict[str, str]:
        me = self.stage.me
        job = await me.job()
        note = await me.note(job)
        await self.stage.record("branch:7")
        await me.upload(NOTE_FILES, note)
        document = await me.upload(DOCUMENTS, job, PDF)
        known = dict.fromkeys(("uuid", "document_uuid", "photo_uuid", "attachment_uuid"), document)
        return {**known, "job_uuid": job, "case_note_uuid": note, "branch_id": "7"}

    def aim(self, case: Any) -> None:
        """Name what is there, wherever something is named."""
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, dict):
                part.update({name: value for name, value in self.known.items() if name in part})
        case.headers["X-CSRF-Token"] = self.stage.me.csrf

    def send(self, case: Any) -> httpx.Response:
        known = {"method", "url", "headers", "files", "data", "params", "json", "cookies"}
        told = {key: value for key, value in case.as_transport_kwargs(base_url=HOST).items() if key in known}
        prepared: Any = requests.Request(**told).prepare()
        headers = dict(prepared.headers)
        return self.run(
            self.stage.me.http.request(prepared.method, prepared.url, content=prepared.body, headers=headers)
        )


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

    @hypothesis.settings(max_examples=25, suppress_health_check=list(hypothesis.HealthCheck), database=None)
    @hypothesis.given(case=cases, aimed=st.booleans())
    def ask(case: Any, aimed: bool) -> None:
        if aimed:
            theatre.aim(case)
        case.validate_response(theatre.send(case), checks=CHECKS)

    ask()
