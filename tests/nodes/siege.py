"""Load of all six APIs through the proxy while nodes die, and what became of every byte that was acknowledged."""

import asyncio
import hashlib
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

import httpx

from holdfast.core.errors import HoldfastError
from tests.engines.cutting import Cutter
from tests.journeys.journey import File, Journey, every_journey
from tests.nodes.cluster import Node, Remote

PACE = 0.05
"""Seconds between two requests of a client."""

FULL = 500
"""Files on one parent: a case of Case IQ takes a thousand, and then answers 400."""

_REFUSED = (httpx.HTTPError, HoldfastError, AssertionError, KeyError, ValueError)


@dataclass
class Siege:
    """What the clients did. `acknowledged` are handles by API, with the digest of what was sent.

    `pace` is in seconds, from an answer to the client's next request.
    """

    house: Remote
    seed: int = 1
    pace: float = PACE
    acknowledged: dict[tuple[str, str], bytes] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    over: bool = False
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _journeys: dict[str, Journey] = field(default_factory=dict)
    _through: dict[tuple[str, str], Journey] = field(default_factory=dict)
    _held: Counter[str] = field(default_factory=Counter)

    async def begin(self) -> None:
        """Make a parent for the files of each API; nothing is broken yet."""
        for name in every_journey():
            await self._begin_story(name, self.house)

    async def _begin_story(self, name: str, house: Remote) -> None:
        journey = await every_journey()[name](house)
        await journey.make_parent()
        self._journeys[name], self._held[name] = journey, 0

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Upload and download through each API, until the block ends."""
        clients = [asyncio.ensure_future(self._client(name, n)) for n, name in enumerate(self._journeys)]
        try:
            yield
        finally:
            self.over = True
            await asyncio.gather(*clients)
            self.over = False

    async def _client(self, name: str, n: int) -> None:
        draw, mine = random.Random(self.seed * 100 + n), list[str]()
        while not self.over:
            await asyncio.sleep(self.pace)
            if mine and draw.random() < 0.5:
                await self._check(name, draw.choice(mine), "downloads")
                continue
            size = draw.choice((100, 3_000, 20_000, 300_000))
            turn = next(self._turns)
            head = f"%PDF-1.4 {name} {self.seed} {turn} ".encode()
            file = File(f"{name}-{self.seed}-{turn}.pdf", "application/pdf", head + draw.randbytes(size))
            self.counts["uploads"] += 1
            try:
                if self._held[name] >= FULL:
                    # A story begins once in an account.
                    await self._begin_story(name, replace(self.house, slug=f"{self.house.slug}-{turn}"))
                journey = self._journeys[name]
                handle = await journey.upload(file)
            except _REFUSED as error:
                self.counts["uploads failed"] += 1
                self.reasons[_reason(error)] += 1
                continue
            mine.append(handle)
            self._held[name] += 1
            self._through[name, handle] = journey
            self.acknowledged[name, handle] = hashlib.sha256(file.content).digest()

    async def _check(self, name: str, handle: str, what: str) -> bool:
        self.counts[what] += 1
        try:
            content = await self._through[name, handle].download(handle)
        except _REFUSED as error:
            self.counts[f"{what} failed"] += 1
            self.reasons[_reason(error)] += 1
            return False
        if hashlib.sha256(content).digest() != self.acknowledged[name, handle]:
            self.wrong.append(f"{name} {handle}")
        return True

    async def lost(self) -> list[str]:
        """What was acknowledged and cannot be had, now that all is well again."""

        async def lost_through(name: str) -> list[str]:
            mine = [handle for api, handle in self.acknowledged if api == name]
            return [f"{name} {each}" for each in mine if not await self._check(name, each, "read again")]

        return [each for found in await asyncio.gather(*map(lost_through, self._journeys)) for each in found]

    def told(self) -> str:
        """In one line."""
        asked = self.counts["uploads"] + self.counts["downloads"]
        failed = self.counts["uploads failed"] + self.counts["downloads failed"]
        return (
            f"{len(self.acknowledged)} uploads acknowledged, {self.counts['downloads']} downloads, "
            f"{failed} of {asked} refused or broken off ({failed / max(1, asked):.2%}) "
            f"({dict(self.reasons)}, {dict(self.house.refused)}), "
            f"{len(self.wrong)} wrong"
        )


def _reason(error: Exception) -> str:
    """The kind of failure; of an answer that is none, what the test that looked at it says."""
    return f"{type(error).__name__} {str(error).splitlines()[0] if str(error) else ''}".strip()


async def kill_in_turn(nodes: tuple[Node, ...], seconds: float, every: float) -> int:
    """Kill one node after the other and start it again; how many died."""
    until, kills = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        began = time.monotonic()
        node = nodes[kills % len(nodes)]
        await asyncio.to_thread(node.kill)
        kills += 1
        await asyncio.sleep(every / 4)
        await asyncio.to_thread(node.start)
        await asyncio.sleep(max(0.0, began + every - time.monotonic()))
    return kills


async def stop_in_turn(nodes: tuple[Node, ...]) -> None:
    """A rolling restart: each node ends in order and is started again before the next."""
    for node in nodes:
        await asyncio.to_thread(node.stop)
        await asyncio.to_thread(node.start)
        # The proxy leaves out a node that refused it for a second.
        await asyncio.sleep(1.2)


@dataclass(frozen=True)
class Outage:
    """What readers met while the database was away. `healed` is in seconds, from its return to the first new upload."""

    statuses: Counter[int]
    without_hint: int
    healed: float


async def outage(house: Remote, away: Callable[[], None]) -> Outage:
    """Ask all the while that `away` takes, which ends when the database is back, and until an upload succeeds again."""
    answers: list[httpx.Response] = []
    client, is_back = await house.client(), False

    async def ask() -> None:
        while not is_back:
            answers.append(await client.get("/v1/attachments", params={"limit": "1"}))
            await asyncio.sleep(PACE)

    asking = [asyncio.ensure_future(ask()) for _ in range(4)]
    await asyncio.to_thread(away)
    is_back, returned = True, time.monotonic()
    for _ in range(1000):
        if (await client.post("/v1/attachments", params={"name": "again.txt"}, content=b"x")).status_code == 201:
            break
        await asyncio.sleep(PACE)
    healed = time.monotonic() - returned
    await asyncio.gather(*asking)
    hintless = [each for each in answers if each.status_code == 503 and not each.headers.get("retry-after")]
    return Outage(Counter(each.status_code for each in answers), len(hintless), healed)


async def cut(house: Remote, way: Cutter, cuts: int, seed: int) -> tuple[int, int]:
    """Break connections to the database at any moment while clients upload under keys, each until it is answered.

    How many connections broke, and how many uploads were acknowledged.
    """
    draw, done = random.Random(seed), 0
    client = await house.client()

    async def acknowledged(key: str) -> bool:
        where, headers = {"path": f"/{key}.txt"}, {"Idempotency-Key": key}
        for _ in range(200):
            made = await client.post("/v1/attachments", params=where, content=key.encode(), headers=headers)
            if made.status_code == 201:
                return True
            assert made.status_code == 503, made.text
            await asyncio.sleep(PACE)
        return False

    async def upload() -> None:
        nonlocal done
        while way.made < cuts:
            assert await acknowledged(f"cut-{seed}-{draw.getrandbits(64):x}")
            done += 1

    async def break_off() -> None:
        while way.made < cuts:
            await asyncio.sleep(draw.uniform(0, 0.4))
            way.when = draw.choice(("before", "after"))
            way.cuts = 1

    await asyncio.gather(break_off(), *(upload() for _ in range(4)))
    way.cuts = 0
    return way.made, done


@contextmanager
def way_to(port: int) -> Iterator[Cutter]:
    """A way to a database that can be cut, in a thread of its own: nodes start while this one waits for them."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    way = Cutter(("127.0.0.1", port), b"")
    try:
        asyncio.run_coroutine_threadsafe(way.open(), loop).result()
        yield way
        asyncio.run_coroutine_threadsafe(way.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def numbers_of(house: Remote) -> list[int]:
    """The numbers of all changes, as the log of the account has them."""
    desk, numbers = await house.desk(), list[int]()
    while page := (await desk.events.after(numbers[-1] if numbers else 0, 1000)).items:
        numbers += [event.number for event in page]
    return numbers
