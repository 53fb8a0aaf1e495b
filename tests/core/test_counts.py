"""Counts that all processes keep together hold exactly, however many count at once."""

import asyncio

import pytest

from holdfast.core.counts import Counts, count_key
from holdfast.core.errors import RateLimited
from holdfast.core.model import Count
from holdfast.core.ports import CountKey, CountQuery, Window
from holdfast.web.limits import Counters, Guesses
from holdfast.web.sharing import Sharing
from tests.core.office import Office

pytestmark = pytest.mark.on_all_engines

SECOND = 1_000_000
HOUR = 3600 * SECOND


async def refused(counting: "asyncio.Future[None]") -> bool:
    try:
        await counting
    except RateLimited:
        return True
    return False


async def test_of_many_guesses_at_once_as_many_pass_as_may(office: Office) -> None:
    guesses = Guesses(Counts(office.store._engines.catalog), lambda: 100.0, limit=10)
    tried = [asyncio.ensure_future(guesses.attempt(f"address {n % 3}", "ada")) for n in range(40)]
    assert [await refused(each) for each in tried].count(False) == 10


async def test_guesses_are_counted_by_every_key_and_forgiven_by_name(office: Office) -> None:
    guesses = Guesses(office.store.counts, lambda: 100.0, limit=3)
    for _ in range(3):
        await guesses.attempt("address", "ada")
    for keys in (("address",), ("other", "ada")):
        with pytest.raises(RateLimited) as told:
            await guesses.attempt(*keys)
        assert told.value.retry_after == 300
        with pytest.raises(RateLimited):
            await guesses.check(*keys)
    await guesses.succeeded("ada", returned=("address",))
    await guesses.check("other", "ada")
    await guesses.attempt("address", "eve")
    with pytest.raises(RateLimited):
        await guesses.attempt("address", "eve")


async def test_nobody_is_shut_out_by_signing_in_often(office: Office) -> None:
    guesses = Guesses(office.store.counts, lambda: 100.0, limit=3)
    for n in range(20):
        await guesses.attempt("office", f"user {n}")
        await guesses.succeeded(f"user {n}", returned=("office",))


async def test_a_window_ends_and_its_row_goes_when_others_begin(office: Office) -> None:
    now = [100.0]
    guesses = Guesses(office.store.counts, lambda: now[0], limit=1, seconds=300)
    for n in range(5):
        await guesses.failed(f"name {n}")
    with pytest.raises(RateLimited):
        await guesses.check("name 0")
    now[0] = 401.0
    await guesses.check("name 0")
    await guesses.failed("name 0")
    now[0] += 7200.0
    await guesses.failed("somebody")
    page = await office.store._engines.catalog.find(CountQuery(Window(limit=100)))
    assert [count.key for count in page.items] == [count_key("guess", "somebody")]


async def test_nothing_tells_who_was_counted(office: Office) -> None:
    await Guesses(office.store.counts, lambda: 100.0).failed("192.0.2.1", "ada@example.com")
    page = await office.store._engines.catalog.find(CountQuery(Window(limit=100)))
    assert len(page.items) == 2
    assert all(len(count.key) == 32 and "ada" not in count.key and "192" not in count.key for count in page.items)


async def test_processes_learn_what_the_others_have_let_through(office: Office) -> None:
    nodes = [Counters(lambda: 100.0) for _ in range(3)]
    sharings = [Sharing(counters, office.store.counts) for counters in nodes]
    key = ("property_deck", 1, "ada")
    for _ in range(20):
        for counters in nodes:
            counters.take(key, 60)
    # All tell; then the first hears of the others when it next has something to tell.
    await asyncio.gather(*(sharing.exchange() for sharing in sharings))
    nodes[0].look(key, 61, more=1)
    await sharings[0].exchange()
    row = await office.store._engines.catalog.get(CountKey(count_key("rate", *key)))
    assert row == Count(count_key("rate", *key), 160 * SECOND, 61)
    with pytest.raises(RateLimited) as told:
        nodes[0].take(key, 60)
    assert told.value.retry_after == 60


async def test_what_is_shared_is_added_up_once(office: Office) -> None:
    counts = office.store.counts
    given = {key: Count(key, HOUR, 5) for key in ("a", "b")}
    totals = await asyncio.gather(*(counts.share(given, SECOND) for _ in range(6)))
    assert sorted(each["a"].used for each in totals) == [5, 10, 15, 20, 25, 30]
    later = await counts.share({"a": Count("a", 3 * HOUR, 1)}, 2 * HOUR)
    assert later["a"] == Count("a", 3 * HOUR, 1)
