"""Every route, role, scope, account and form of asking: the answer that the table says, and no change by a refusal."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from holdfast.app import Options
from holdfast.catalog.sqlite import SqliteCatalog
from holdfast.core.ports import Window
from holdfast.dialects import ALL
from holdfast.web.dialect import Dialect
from tests.authorization.matrix import (
    Caller,
    Callers,
    Exercise,
    Expected,
    ask,
    counts_what_it_lists,
    exercises,
    expected,
    people,
    told,
    uncovered,
)
from tests.authorization.table import PUBLIC
from tests.authorization.tracing import Trace, traced
from tests.authorization.world import State, World, furnished, nowhere
from tests.engines.pairs import PAIRS, fresh_pair
from tests.installation import Installation, idle, installed
from tests.web.asgi import Answer, Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRACTION = 20
"""One of so many routes is asked on pairs of engines that are taken in part."""

UNLIMITED = Options(rates={dialect.name: None for dialect in ALL}, choices={"propops": {"address_rate": 10**6}})


@dataclass
class Stage:
    house: Installation
    trace: Trace
    state: State
    ours: World
    theirs: World
    nowhere: World
    callers: Callers
    account: int
    client: Client
    cells: Counter[str] = field(default_factory=Counter)

    async def ask(self, exercise: Exercise, world: World, caller: Caller) -> Answer:
        """The answer, when all that comes of it is done: a picture is kept after it was given out."""
        answer = await ask(self.client, exercise, world, caller, self.account)
        await idle(self.house.store)
        return answer


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All cells on the first pair of engines, and on each other those of a few routes and APIs, drawn from a seed."""
    if "stage" not in metafunc.fixturenames:
        return
    columns = {"exercise": exercises(), "foreign": [each for each in exercises() if each.row.foreign], "dialect": ALL}
    names = [name for name in columns if name in metafunc.fixturenames]
    taken = []
    for n, pair in enumerate(PAIRS):
        whole = n == 0 or metafunc.config.getoption("engines") == "all"
        for name in names:
            found: Sequence[Any] = columns[name]
            chosen = found if whole else random.Random(n).sample(found, max(1, len(found) // FRACTION))
            taken += [pytest.param(pair, each, id=f"{pair}-{_label(each)}") for each in chosen]
        if not names:
            taken.append(pytest.param(pair, id=pair))
    metafunc.parametrize(["stage", *names], taken, indirect=["stage"], scope="module")


def _label(of: Exercise | Dialect) -> str:
    return of.label if isinstance(of, Exercise) else of.name


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    with traced() as trace, fresh_pair(request.param) as engines:
        async with installed(tmp_path_factory.mktemp("matrix"), UNLIMITED, **engines) as house:
            catalog = house.store._engines.catalog
            if isinstance(catalog, SqliteCatalog):
                # Or a query that waits for the processor would be asked a second time, in a thread.
                catalog._loop_seconds = 60.0
            theirs = await furnished(house, "umbra", "umbraonlyword", 8)
            ours = await furnished(house, "acme", "acmeonlyword", 7)
            account = (await house.account()).number
            revoked = await house.token()
            newest = await house.operator.credentials.tokens(account, Window(1))
            await house.operator.credentials.revoke(account, newest.items[0].id)
            callers = Callers(house, ours, revoked)
            for exercise in exercises():
                for role, scope in people(exercise.route):
                    await callers.of(role, scope, exercise.route)
            state = State(house)
            made = Stage(house, trace, state, ours, theirs, nowhere(theirs), callers, account, Client(house.app))
            yield made
            state.close()
            print(f"\n{request.param}: {sum(made.cells.values())} cells: {dict(made.cells)}")


async def test_every_route_has_its_cells() -> None:
    assert uncovered() == []
    public = {f"{each.name} {route.method} {route.path}" for each in ALL for route in each.routes if route.public}
    assert public == PUBLIC


async def test_the_probe_notices_what_changes(stage: Stage) -> None:
    """That nothing moves after a refusal means something."""
    stage.state.moved()
    before = stage.state.digest()
    caller = await stage.callers.of("*", "none", next(each.route for each in exercises()))
    upload = next(each for each in exercises() if each.label == "native POST /v1/attachments")
    assert (await stage.ask(upload, stage.ours, caller)).status == 201
    assert stage.state.moved()
    assert stage.state.digest() != before
    await stage.state.restore()
    assert not stage.state.moved()
    assert (await stage.ask(upload, stage.nowhere, caller)).status == 404
    assert not stage.state.moved()
    stage.trace.take()
    await stage.ask(upload, stage.ours, caller)
    assert any("INSERT INTO attachments" in statement for statement in stage.trace.take())
    await stage.state.restore()


async def test_a_revoked_token_opens_nothing_from_the_next_request_on(stage: Stage, dialect: Dialect) -> None:
    credentials = stage.house.operator.credentials
    for exercise in (each for each in exercises() if each.dialect is dialect and each.route.method == "GET"):
        secret = await stage.house.token()
        newest = (await credentials.tokens(stage.account, Window(1))).items[0]
        caller = Caller("*", "none", secret, frozenset({"*"}))
        assert (await stage.ask(exercise, stage.ours, caller)).status == exercise.row.ok
        await credentials.revoke(stage.account, newest.id)
        assert (await stage.ask(exercise, stage.ours, caller)).status == 401
        stage.cells["revoked between two requests"] += 1


async def test_own_things(stage: Stage, exercise: Exercise) -> None:
    wrong: list[Any] = []
    if stage.state.moved():
        await stage.state.restore()
    for form in exercise.forms():
        for role, scope in people(form.route):
            caller = await stage.callers.of(role, scope, form.route)
            wanted = expected(form, caller)
            stage.state.moved()
            answer = await stage.ask(form, stage.ours, caller)
            moved = stage.state.moved()
            if form.form != "plain":
                wanted = Expected(wanted.status)
            shown = None if wanted.shown is None else stage.ours.names[form.row.shows].encode() in answer.body
            found = Expected(answer.status, shown)
            stage.cells[f"own, {form.form}"] += 1
            counted = form.form != "plain" or answer.status != 200 or counts_what_it_lists(answer)
            if found != wanted or (moved and answer.status >= 400) or not counted:
                wrong.append((form.form, role, scope, wanted, found, moved, answer.body[:200]))
            # What reading has made, a thumbnail, may stay.
            if moved and form.writes:
                await stage.state.restore()
    assert not wrong, "\n".join(map(str, wrong))


async def test_another_accounts_things_are_as_if_they_were_not_there(stage: Stage, foreign: Exercise) -> None:
    wrong: list[Any] = []
    if stage.state.moved():
        await stage.state.restore()
    for form in foreign.forms():
        for role, scope in people(form.route):
            caller = await stage.callers.of(role, scope, form.route)
            seen = []
            for world in (stage.theirs, stage.nowhere):
                stage.trace.take()
                stage.state.moved()
                stage.state.forget()
                answer = await stage.ask(form, world, caller)
                statements = stage.trace.take()
                moved = stage.state.moved()
                seen.append((told(answer, world), statements, moved))
                shows = stage.theirs.word.encode() in answer.body
                if moved or shows or (answer.status < 400 and form.row.target != "list"):
                    wrong.append((form.form, role, scope, answer.status, moved, shows, answer.body[:200]))
                if moved:
                    await stage.state.restore()
            stage.cells[f"another's, {form.form}"] += 1
            # A list that names nothing is one's own, and is counted anew by the first who asks.
            if seen[0] != seen[1] and (form.row.target != "list" or form.row.query):
                wrong.append((form.form, role, scope, *(f"{each}"[:1500] for each in seen)))
    assert not wrong, "\n".join(map(str, wrong))
