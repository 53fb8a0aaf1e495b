"""Nodes die, pause, are restarted and lose their database: what was acknowledged stays, and nobody reads wrong bytes.

`make nodes` does the same for longer, and lets a standby take over.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.catalog.migrations import Migration
from holdfast.catalog.postgres.migrations import migrate_database, postgres_migrations
from holdfast.compose import open_store
from holdfast.core.leases import LEASE_SECONDS, Leases
from holdfast.core.ports import AttachmentQuery, LeaseKey, Window
from holdfast.settings import Settings
from tests.engines.pairs import as_environment, fresh_pair
from tests.nodes.cluster import UNLIMITED, Node, before, cluster, nodes_on, own_database, remote
from tests.nodes.siege import Siege, cut, kill_in_turn, numbers_of, outage, stop_in_turn, way_to
from tests.serving import SOURCES, attempt

SETTINGS = {**UNLIMITED, "HOLDFAST_STOP_NOTICE_SECONDS": "4"}
SECONDS, EVERY, CUTS, AWAY_SECONDS, PACE = 9.0, 3.0, 25, 6.0, 0.15


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[tuple[Node, ...], Settings]]:
    with cluster(tmp_path_factory.mktemp("faults"), SETTINGS) as made:
        yield made


async def test_nodes_that_are_killed_take_nothing_with_them(
    running: tuple[tuple[Node, ...], Settings], tmp_path: Path
) -> None:
    nodes, settings = running
    with before(nodes, tmp_path) as proxy:
        house = remote(settings, nodes, proxy)
        siege = Siege(house, pace=PACE)
        await siege.begin()
        async with siege.load():
            kills = await kill_in_turn(nodes, SECONDS, EVERY)
        lost = await siege.lost()
        await house.close()
    print(f"{kills} nodes killed: {siege.told()}, {len(lost)} lost")
    assert (lost, siege.wrong) == ([], [])
    assert kills >= 2
    assert siege.acknowledged


async def test_no_request_fails_while_nodes_are_restarted_one_after_the_other(
    running: tuple[tuple[Node, ...], Settings], tmp_path: Path
) -> None:
    nodes, settings = running
    with before(nodes, tmp_path) as proxy:
        house = remote(settings, nodes, proxy, slug="rolling")
        siege = Siege(house, seed=2, pace=PACE)
        await siege.begin()
        async with siege.load():
            await stop_in_turn(nodes)
        lost = await siege.lost()
        await house.close()
    print(f"rolling restart: {siege.told()}, {len(lost)} lost")
    assert (lost, siege.wrong) == ([], [])
    assert siege.counts["uploads failed"] + siege.counts["downloads failed"] == 0
    assert len(siege.acknowledged) > 10


async def test_requests_wait_for_no_database_and_go_on_once_it_is_back(tmp_path: Path) -> None:
    with (
        own_database() as (database, engines),
        nodes_on(engines, tmp_path, 2) as nodes,
        before(nodes, tmp_path) as proxy,
    ):
        house = remote(Settings(data=tmp_path / "beside", **engines), nodes, proxy)

        def restarted() -> None:
            database.stop(signal.SIGQUIT)
            # Longer than requests wait for it.
            time.sleep(AWAY_SECONDS)
            database.start()

        met = await outage(house, restarted)
        await house.close()
    print(f"database restarted: {dict(met.statuses)}, healed {met.healed:.2f} s after its return")
    assert set(met.statuses) <= {200, 503}
    assert met.without_hint == 0
    assert met.healed < 30


async def test_connections_to_the_database_that_break_anywhere_double_and_lose_nothing(tmp_path: Path) -> None:
    with own_database() as (database, engines), way_to(database.port) as way:
        through = {**engines, "catalog": database.url("postgres", port=way.port) + "?sslmode=disable"}
        with nodes_on(through, tmp_path, 2) as nodes:
            house = remote(Settings(data=tmp_path / "beside", **engines), nodes)
            made, done = await cut(house, way, CUTS, seed=1)
            desk, account = await house.desk(), (await house.account()).number
            query = AttachmentQuery(account, Window(limit=10_000, total=True))
            page = await desk.attachments.find(query)
            numbers = await numbers_of(house)
            await house.close()
    print(f"{made} connections cut: {done} uploads acknowledged, {page.total} there")
    assert made >= CUTS
    assert page.total == done == len({item.path for item in page.items})
    assert numbers == list(range(1, len(numbers) + 1))


HOLDER = """
import asyncio, sys, time
from pathlib import Path
from holdfast.catalog.migrations import Migration
from holdfast.catalog.postgres.migrations import migrate_database, postgres_migrations
from holdfast.compose import open_store
from holdfast.core.leases import LeaseLost
from holdfast.settings import load_settings

async def main():
    store = open_store(load_settings(overrides={"data": sys.argv[1]}))
    leases = store.operator().upkeep.leases
    tenure = await leases.take("collect")
    print(tenure.fence, flush=True)
    sys.stdin.readline()
    try:
        tenure.place = "far"
        await leases.renew(tenure)
        print("renewed", flush=True)
    except LeaseLost:
        print("lost", flush=True)
    try:
        await leases.end(tenure, done=True)
        print("done", flush=True)
    except LeaseLost:
        print("lost", flush=True)
    await store.close()

asyncio.run(main())
"""


async def test_a_node_that_slept_through_its_lease_changes_nothing(tmp_path: Path) -> None:
    """It is stopped by the system, another takes the duty over when the lease has run out, and then it wakes up."""
    with fresh_pair("postgres-s3") as engines:
        store = open_store(Settings(data=tmp_path / "awake", **engines))
        environment = os.environ | as_environment(engines) | {"PYTHONPATH": str(SOURCES)}
        command = [sys.executable, "-c", HOLDER, str(tmp_path / "asleep")]
        with subprocess.Popen(  # noqa: ASYNC220 -- it is asked in threads
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as asleep:
            assert asleep.stdin is not None
            assert asleep.stdout is not None
            fence = int(await asyncio.to_thread(asleep.stdout.readline))
            asleep.send_signal(signal.SIGSTOP)
            engines_of = store._engines
            later = Leases(engines_of.catalog, lambda: engines_of.clock() + (LEASE_SECONDS + 1) * 1_000_000, os.urandom)
            assert await store.operator().upkeep.leases.take("collect") is None
            tenure = await later.take("collect")
            assert tenure is not None
            assert tenure.fence == fence + 1
            before_waking = await engines_of.catalog.get(LeaseKey("collect"))
            asleep.send_signal(signal.SIGCONT)
            told, _ = await asyncio.to_thread(asleep.communicate, "go on\n", 60)
        assert told.split() == ["lost", "lost"]
        assert await engines_of.catalog.get(LeaseKey("collect")) == before_waking
        await later.end(tenure, done=True)
        await store.close()


async def test_an_older_node_goes_on_while_a_newer_one_has_added_to_the_schema(tmp_path: Path) -> None:
    """What a later version may do: a new table, a new column that has a default, a new index."""
    additions = """
        CREATE TABLE later_things (name TEXT PRIMARY KEY);
        ALTER TABLE attachments ADD COLUMN later_note TEXT;
        ALTER TABLE blobs ADD COLUMN later_count BIGINT NOT NULL DEFAULT 0;
        CREATE INDEX later_index ON attachments (account, later_note);
    """
    with own_database() as (_, engines), nodes_on(engines, tmp_path, 2) as nodes:
        house = remote(Settings(data=tmp_path / "beside", **engines), nodes)
        siege = Siege(house, pace=PACE)
        await siege.begin()
        known = postgres_migrations()
        async with siege.load():
            await asyncio.sleep(0.5)
            newer = (*known, Migration(known[-1].version + 1, "later", additions))
            reached = await asyncio.to_thread(migrate_database, engines["catalog"], newer)
            before_it = len(siege.acknowledged)
            await asyncio.sleep(1)
        lost = await siege.lost()
        await house.close()
        refused = attempt("doctor", "--data", tmp_path / "older", settings=as_environment(engines))
    print(f"schema {reached.found} to {reached.known} under load: {siege.told()}")
    assert (lost, siege.wrong) == ([], [])
    assert siege.counts["uploads failed"] + siege.counts["downloads failed"] == 0
    assert len(siege.acknowledged) > before_it
    # One that is started anew says so rather than to work on what it does not know.
    assert f"schema: Version {reached.known} is newer than {reached.found}" in " ".join(refused.stdout.split())
