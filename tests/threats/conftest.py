"""One furnished account, somebody who may do everything in it, and a way back after each change."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from holdfast.app import Options
from holdfast.dialects import ALL
from tests.authorization.matrix import Caller, Exercise, request
from tests.authorization.world import State, World, furnished
from tests.installation import Installation, idle, installed
from tests.web.asgi import Answer, Client

UNLIMITED = Options(rates={dialect.name: None for dialect in ALL}, choices={"propops": {"address_rate": 10**6}})


@dataclass
class Target:
    """An installation under attack by somebody with a valid token."""

    house: Installation
    world: World
    caller: Caller
    account: int
    state: State
    client: Client

    def asked(self, exercise: Exercise) -> dict[str, object]:
        """The honest request of a row: target, body, headers."""
        return request(exercise, self.world, self.caller.secret, self.account)

    async def ask(self, exercise: Exercise, **changed: object) -> Answer:
        """The answer to the row's request with some of it changed, when all that comes of it is done."""
        asked = {**self.asked(exercise), **changed}
        answer = await self.client(exercise.method, str(asked["target"]), asked["body"], headers=asked["headers"])  # type: ignore[arg-type]
        await idle(self.house.store)
        return answer

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.caller.secret}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    async with installed(tmp_path_factory.mktemp("threats") / "data", UNLIMITED) as house:
        world = await furnished(house, "acme", "acmeonlyword", 7)
        caller = Caller("*", "none", await house.token(), frozenset({"*"}))
        state = State(house)
        yield Target(house, world, caller, (await house.account()).number, state, Client(house.app))
        state.close()
