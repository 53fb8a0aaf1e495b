"""The background duties of a server: begun and ended with it, due once over all processes, counted for /metrics."""

import asyncio
import os
from pathlib import Path

import pytest

from holdfast.app import Options
from holdfast.core.errors import Unavailable
from holdfast.core.upkeep.collecting import Rules
from holdfast.core.upkeep.duties import Duties, Figure, Plan
from holdfast.core.upkeep.verifying import Reading
from tests.installation import installed
from tests.upkeep.workshop import DAY, LARGE, Workshop

PLAN = Plan(collect_every=3600, verify_every=3600, rules=Rules(), reading=Reading(grace=DAY))


class Rounds:
    """A sleep that the test ends: each round lets every duty look once more."""

    def __init__(self) -> None:
        self._asleep = asyncio.Semaphore(0)
        self._wake = asyncio.Event()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        wake = self._wake
        self._asleep.release()
        await wake.wait()

    async def next(self, duties: int = 2) -> None:
        """Wake all duties, and wait until they sleep again."""
        for _ in range(duties):
            await self._asleep.acquire()
        wake, self._wake = self._wake, asyncio.Event()
        wake.set()

    async def settled(self, duties: int = 2) -> None:
        """Wait until all duties sleep."""
        for _ in range(duties):
            await self._asleep.acquire()
        for _ in range(duties):
            self._asleep.release()


def values(duties: Duties, name: str) -> dict[str, float]:
    return next(figure.values for figure in duties.figures() if figure.name == f"holdfast_upkeep_{name}")


def at_work(workshop: Workshop, rounds: Rounds, chance: float = 0.5) -> Duties:
    return Duties(
        workshop.upkeep, PLAN, sleep=rounds.sleep, chance=lambda: chance, seconds=lambda: workshop.clock() / 1_000_000
    )


async def test_they_collect_and_verify_when_it_is_due_and_count_it(workshop: Workshop) -> None:
    data = os.urandom(LARGE)
    attachment = await workshop.office.upload("gone", data)
    await workshop.office.upload("kept", b"kept")
    await workshop.office.desk().attachments.purge(attachment.id)
    rounds = Rounds()
    duties = at_work(workshop, rounds)
    await duties.start()
    workshop.clock.move(2 * DAY)
    await rounds.next()
    await rounds.settled()
    assert values(duties, "removed")["blobs"] == 1
    assert values(duties, "reclaimed_bytes") == {"": LARGE}
    assert values(duties, "verified_bytes")[""] >= 4
    done_at = dict(values(duties, "last_run_seconds"))
    assert set(done_at) == {"collect", "verify"}
    await rounds.next()
    await rounds.settled()
    assert values(duties, "last_run_seconds") == done_at
    assert values(duties, "failures") == {"collect": 0, "verify": 0}
    await duties.stop()


async def test_their_looks_are_spread(workshop: Workshop) -> None:
    looks = []
    for chance in (0.0, 0.25, 1.0):
        rounds = Rounds()
        duties = at_work(workshop, rounds, chance)
        await duties.start()
        await rounds.settled()
        looks.append(rounds.slept[0])
        await duties.stop()
    assert len(set(looks)) == 3
    assert min(looks) > 0


async def test_one_process_of_two_does_each(workshop: Workshop) -> None:
    rounds = [Rounds(), Rounds()]
    both = [at_work(workshop, each) for each in rounds]
    for duties in both:
        await duties.start()
    for each in rounds:
        await each.next()
        await each.settled()
    assert [sorted(values(duties, "last_run_seconds")) for duties in both] == [["collect", "verify"], []]
    for duties in both:
        await duties.stop()


async def test_what_verifying_finds_is_shown_until_it_is_mended(workshop: Workshop) -> None:
    data = os.urandom(LARGE)
    await workshop.office.upload("big", data)
    path = await workshop.path_of(data)
    path.rename(path.with_suffix(".aside"))
    rounds = Rounds()
    duties = at_work(workshop, rounds)
    await duties.start()
    await rounds.next()
    await rounds.settled()
    assert values(duties, "findings") == {"damaged": 1, "foreign": 1}
    path.with_suffix(".aside").rename(path)
    workshop.clock.move(7200)
    await rounds.next()
    await rounds.settled()
    assert values(duties, "findings") == {"damaged": 0, "foreign": 0}
    await duties.stop()


@pytest.mark.parametrize("failure", [Unavailable("the disk is gone"), RuntimeError("a fault")])
async def test_a_duty_that_fails_is_counted_and_tried_again(
    workshop: Workshop, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = Rounds()
    duties = at_work(workshop, rounds)

    async def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(duties._upkeep, "collect_if_due", fail)
    await duties.start()
    for count in (1, 2):
        await rounds.next()
        await rounds.settled()
        assert values(duties, "failures") == {"collect": count, "verify": 0}
    await duties.stop()


async def test_they_end_at_once_in_the_middle_of_their_work_and_another_goes_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workshop.office.upload("kept", b"kept")
    rounds = Rounds()
    reading = asyncio.Event()
    duties = at_work(workshop, rounds)

    async def endless(_locator: str) -> None:
        reading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(workshop.blobs, "delete", endless)
    data = os.urandom(LARGE)
    attachment = await workshop.office.upload("gone", data)
    await workshop.office.desk().attachments.purge(attachment.id)
    workshop.clock.move(2 * DAY)
    await duties.start()
    await rounds.next()
    await reading.wait()
    await duties.stop()
    monkeypatch.undo()
    assert await workshop.upkeep.collect_if_due(Rules(), 3600) is not None
    assert await workshop.kinds() == []


async def test_metrics_show_what_the_duties_count(tmp_path: Path) -> None:
    figures = (
        Figure("holdfast_upkeep_findings", "Found", "gauge", "kind", {"damaged": 2.0}),
        Figure("holdfast_upkeep_verified_bytes", "Read", "counter", "", {"": 7.0}),
    )
    async with installed(tmp_path, Options(figures=lambda: figures)) as installation:
        text = (await installation.bare_client().get("/metrics")).text
    assert 'holdfast_upkeep_findings{kind="damaged"} 2.0' in text
    assert "holdfast_upkeep_verified_bytes_total 7.0" in text
