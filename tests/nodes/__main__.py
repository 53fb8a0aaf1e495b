"""The long runs of three nodes behind a proxy: `make nodes`. Prints what was acknowledged, refused, lost and wrong."""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

from holdfast.core.ports import AttachmentQuery, Window
from holdfast.settings import Settings
from tests.nodes.cluster import UNLIMITED, before, nodes_on, own_database, remote, replicated
from tests.nodes.siege import Siege, cut, kill_in_turn, numbers_of, outage, stop_in_turn, way_to

SETTINGS = {**UNLIMITED, "HOLDFAST_STOP_NOTICE_SECONDS": "2"}
AWAY_SECONDS = 6.0


async def killed(folder: Path, seconds: float, every: float) -> bool:
    """One node dies every few seconds; then all are restarted in order, and then the database."""
    with (
        own_database() as (database, engines),
        nodes_on(engines, folder, settings=SETTINGS) as nodes,
        before(nodes, folder) as proxy,
    ):
        house = remote(Settings(data=folder / "beside", **engines), nodes, proxy)
        siege = Siege(house)
        await siege.begin()
        async with siege.load():
            kills = await kill_in_turn(nodes, seconds, every)
        lost = await siege.lost()
        print(f"{kills} nodes killed: {siege.told()}, {len(lost)} lost", flush=True)
        failed = siege.counts["uploads failed"] + siege.counts["downloads failed"]
        async with siege.load():
            await stop_in_turn(nodes)
        failed = siege.counts["uploads failed"] + siege.counts["downloads failed"] - failed
        print(f"rolling restart: {failed} failed; in all {siege.told()}", flush=True)

        def restarted() -> None:
            database.stop(signal.SIGQUIT)
            time.sleep(AWAY_SECONDS)
            database.start()

        met = await outage(house, restarted)
        told = f"{dict(met.statuses)}, {met.without_hint} without Retry-After"
        print(f"database away {AWAY_SECONDS:.0f} s: {told}, healed {met.healed:.2f} s after its return", flush=True)
        lost += await siege.lost()
        await house.close()
    well = not met.without_hint and set(met.statuses) <= {200, 503}
    return well and not lost and not siege.wrong and not failed and not house.faults()


async def cut_off(folder: Path, cuts: int) -> bool:
    """Connections to the database break at any moment."""
    with own_database() as (database, engines), way_to(database.port) as way:
        through = {**engines, "catalog": database.url("postgres", port=way.port) + "?sslmode=disable"}
        with nodes_on(through, folder) as nodes:
            house = remote(Settings(data=folder / "beside", **engines), nodes)
            made, done = await cut(house, way, cuts, seed=1)
            desk, account = await house.desk(), (await house.account()).number
            total = (await desk.attachments.find(AttachmentQuery(account, Window(limit=0, total=True)))).total
            numbers = await numbers_of(house)
            await house.close()
    print(f"{made} connections cut: {done} uploads acknowledged, {total} there, {len(numbers)} changes", flush=True)
    return total == done and numbers == list(range(1, len(numbers) + 1))


async def taken_over(folder: Path) -> bool:
    """The database's machine dies under load, and the standby takes over."""
    with replicated() as (first, second, engines), nodes_on(engines, folder) as nodes, before(nodes, folder) as proxy:
        house = remote(Settings(data=folder / "beside", **engines), nodes, proxy)
        siege = Siege(house)
        await siege.begin()

        def promoted() -> None:
            first.stop(signal.SIGKILL)
            second.run("pg_ctl", "promote", f"--pgdata={second.data}", "--wait")

        async with siege.load():
            await asyncio.sleep(10)
            met = await outage(house, promoted)
            await asyncio.sleep(5)
        lost = await siege.lost()
        print(f"standby took over, healed {met.healed:.2f} s after its promotion: {siege.told()}, {len(lost)} lost")
        await house.close()
    return not lost and not siege.wrong and not house.faults()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nodes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long nodes are killed")
    parser.add_argument("--every", type=float, default=10.0, help="seconds from one kill to the next")
    parser.add_argument("--cuts", type=int, default=500, help="connections that break")
    parser.add_argument("--only", choices=("killed", "cut", "standby"), help="one of the three parts (default: all)")
    chosen = parser.parse_args()
    parts: dict[str, Callable[[Path], Coroutine[None, None, bool]]] = {
        "killed": lambda folder: killed(folder, chosen.seconds, chosen.every),
        "cut": lambda folder: cut_off(folder, chosen.cuts),
        "standby": taken_over,
    }
    well = []
    with tempfile.TemporaryDirectory() as name:
        for part in (chosen.only,) if chosen.only else parts:
            folder = Path(name) / part
            folder.mkdir()
            well.append(asyncio.run(parts[part](folder)))
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
