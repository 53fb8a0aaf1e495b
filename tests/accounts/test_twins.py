"""Two accounts with twin data, asked for each other's through every route of every dialect: neither ever shows.

Generated from the route tables: a route that is added is asked too.
"""

import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from holdfast.app import Options
from holdfast.core.model import RecordRef
from holdfast.core.ports import AttachmentQuery, EntryQuery, RecordQuery, Window
from holdfast.dialects import ALL
from holdfast.web.dialect import Dialect, Route
from tests.engines.pairs import PAIRS, fresh_pair
from tests.installation import Installation, installed
from tests.journeys.journey import File, every_journey

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELD = re.compile(r"\{(\w+)(?::path)?\}")
EVERYTHING = Window(limit=1000)
MOST = 60
"""Requests of one route and one set of parameters; the ids of an account are fewer."""

UNLIMITED = Options(rates={dialect.name: None for dialect in ALL}, choices={"propops": {"address_rate": 10**6}})


@dataclass(frozen=True)
class Side:
    """One account: what it calls its things, and somebody who may do everything in it."""

    house: Installation
    client: httpx.AsyncClient
    word: str
    ids: tuple[str, ...]

    async def state(self) -> tuple[int, int, int]:
        """Attachments, bytes and events: a change of any row shows in the last."""
        usage = await (await self.house.desk()).usage()
        return usage.attachments, usage.bytes, usage.event

    def shows(self, answer: httpx.Response, asked: str) -> set[str]:
        """What of this account an answer holds, beyond what the question itself named."""
        text = answer.text + " ".join(answer.headers.values())
        return {word for word in (self.word, *self.ids) if word in text and word not in asked}


async def furnished(house: Installation, word: str) -> Side:
    """The account with the story of every dialect told up to its upload, in its own words."""
    file = File(f"{word}.pdf", "application/pdf", f"%PDF-1.7 {word}".encode())
    for begin in every_journey().values():
        journey = await begin(house)
        await journey.make_parent()
        await journey.upload(file)
    desk, account = await house.desk(), (await house.account()).number
    attachments = await desk.attachments.find(AttachmentQuery(account, EVERYTHING))
    records = await desk.records.find(RecordQuery(account, EVERYTHING))
    entries = await desk.folders.find(EntryQuery(account, EVERYTHING))
    links = [await desk.links.page(attachment.id, EVERYTHING) for attachment in attachments.items]
    ids = {attachment.id for attachment in attachments.items} | {link.id for page in links for link in page.items}
    ids |= {record.id for record in records.items if len(record.id) > 8}
    ids |= {entry.path for entry in entries.items if entry.path and len(entry.path) > 12}
    return Side(house, await house.client(), word, tuple(sorted(ids)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    pairs = PAIRS if metafunc.config.getoption("engines") == "all" else PAIRS[:1]
    if "sides" in metafunc.fixturenames:
        metafunc.parametrize("sides", pairs, indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sides(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Side, Side]]:
    with fresh_pair(request.param) as engines:
        async with installed(tmp_path_factory.mktemp("twins"), UNLIMITED, **engines) as house:
            ours = await furnished(house, "acmeonlyword")
            theirs = await furnished(replace(house, slug="umbra"), "umbraonlyword")
            yield ours, theirs


ROUTES = [
    pytest.param(dialect, route, id=f"{dialect.name} {route.method} {route.path}")
    for dialect in ALL
    for route in dialect.routes
    if not route.public
]


def paths(route: Route, ids: Sequence[str]) -> Iterator[str]:
    """The route's paths with the other account's ids in its fields: each id in all fields, and neighbours mixed."""
    fields = FIELD.findall(route.path)
    mixed = [[*ids[shift:], *ids[:shift]] for shift in range(len(fields))]
    sets = [*([id] * len(fields) for id in ids), *zip(*mixed, strict=True)] if fields else [[]]
    seen = set()
    for chosen in itertools.islice(sets, MOST):
        values = iter(chosen)
        path = FIELD.sub(lambda _: next(values).lstrip("/"), route.path)  # noqa: B023 -- used before the next turn
        for type in ("contact", "case") if path.startswith("/v1/records/") else ("",):
            seen.add(re.sub(r"^(/v1/records/)[^/]+", rf"\g<1>{type}", path) if type else path)
    yield from sorted(seen)


def queries(route: Route, ids: Sequence[str], word: str) -> Iterator[Mapping[str, Any]]:
    """No query, and each parameter of the route with each of the other account's ids and its word."""
    names = [parameter.name for parameter in route.operation.parameters if parameter.where == "query"]
    yield {}
    for name in names:
        for value in (word, *ids):
            yield {name: value}
            if "action" in names:
                yield {"action": "list", name: value}


def bodies(ids: Sequence[str], word: str) -> list[dict[str, Any]]:
    """Questions that are asked in bodies."""
    questions: list[dict[str, Any]] = [{}, {"searchText": word}, {"filter": {"name": word}}, {"root_path": "/"}]
    for id in ids:
        questions += [{"entity_id": id}, {"parent_path": id}, {"root_path": id}, {"filter": {"project_id": id}}]
    return questions


@pytest.mark.parametrize(("dialect", "route"), ROUTES)
async def test_no_route_shows_or_changes_the_other_account(
    sides: tuple[Side, Side], dialect: Dialect, route: Route
) -> None:
    me, other = sides
    before = await other.state()
    for path in paths(route, other.ids):
        if route.method == "GET":
            for query in itertools.islice(queries(route, other.ids, other.word), MOST * 2):
                answer = await me.client.get(path, params=query)
                assert answer.status_code < 500
                assert other.shows(answer, f"{path} {query}") == set(), (path, query)
            continue
        # Whoever writes may name its own things as the other does; that would blur what the reads look for.
        reads = route.path.endswith("/index")
        writer = me.client if reads else await me.house.client(account="writer")
        for body in bodies(other.ids, other.word)[: MOST if "index" in path else 3]:
            answer = await writer.request(route.method, path, json=body)
            assert answer.status_code < 500
            assert other.shows(answer, path + json.dumps(body)) == set(), (path, body)
    assert await other.state() == before


async def test_the_sweep_can_see_what_it_looks_for(sides: tuple[Side, Side]) -> None:
    """The same questions, asked by those who may know, are answered: the silence above means something."""
    me, _ = sides
    assert me.shows(await me.client.get("/v1/attachments"), "") != set()
    assert me.shows(await me.client.get("/v1/attachments?q=acmeonlyword"), "") != set()
    assert me.shows(await me.client.get("/attachments"), "") != set()
    refs = [RecordRef("case", id) for id in me.ids]
    assert any([(await me.client.get(f"/v1/records/case/{ref.id}")).status_code == 200 for ref in refs])
