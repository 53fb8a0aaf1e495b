"""The full crowd: 3,000 stalled uploads, 500 slow readers, 10,000 cut uploads. Prints counts; 1 if one is wrong."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.contents import SETTINGS
from tests.rude.clients import many_descriptors
from tests.rude.house import OWN, Holdings, percentile
from tests.rude.scenes import crowded, cut_off, deafened, figures
from tests.serving import served

WRITERS, READERS, CUTS = 3000, 500, 10_000
CALM = 20.0
SLACK = 1.05


def shown(held: Holdings) -> str:
    """In one line."""
    return f"{held.descriptors} descriptors, {len(held.files)} temporary files, {held.resident >> 20} MiB resident"


def times(seconds: Sequence[float]) -> str:
    """How long requests took, in milliseconds."""
    if not seconds:
        return "none"
    median, most = (1000 * percentile(seconds, share) for share in (0.5, 0.99))
    return f"median {median:.1f} ms, p99 {most:.1f} ms of {len(seconds)}"


async def main() -> int:
    """Both scenes, each after a first time that warms the server up."""
    wrong: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(many_descriptors(16384))
        server = stack.enter_context(served(folder / "data", "--demo", settings=SETTINGS))
        client = stack.enter_context(server.client(server.token(account="demo")))
        first = await crowded(server, client, WRITERS, READERS)
        ending = await crowded(server, client, WRITERS, READERS, CALM)
        print(f"crowd of {WRITERS} stalled uploads and {READERS} readers of 1 KiB a second")
        print(f"  before: {shown(ending.before)}\n  after:  {shown(ending.after)}")
        print(f"  after the same crowd the first time: {shown(first.after)}")
        print(f"  good client: {ending.good.succeeded} answers, {len(ending.good.failures)} failures")
        here, first_closed = ending.complete
        print(f"  its times alone:      {times(ending.quiet.seconds())}")
        print(f"  while they come:      {times(ending.good.seconds(until=here))}")
        print(f"  while all are there:  {times(ending.good.seconds(here, first_closed))}")
        print(f"  while they are ended: {times(ending.good.seconds(first_closed))}")
        print(f"  closed by the server: {ending.closed}, answered {ending.answers}")
        wrong += ending.good.failures
        wrong += ["not all were closed"] * (ending.closed != WRITERS)
        wrong += compared(first.after, ending.before, ending.after)

        given_up = await deafened(server, client, READERS)
        print(f"{READERS} downloads of which nobody reads a byte\n  given up: {shown(given_up)}")
        wrong += ["deaf readers"] * (given_up.descriptors > ending.after.descriptors + OWN)

        _, warm, _ = await cut_off(server, client, CUTS // 10, seed=1)
        held = figures(client)
        before, after, begun = await cut_off(server, client, CUTS, seed=2)
        print(f"{CUTS} uploads cut at random bytes, {begun} of them inside the body")
        print(f"  before: {shown(before)}\n  after:  {shown(after)}")
        wrong += compared(warm, before, after)
        wrong += ["something was stored"] * (figures(client) != held)
    print("\n".join(wrong) or "nothing is left behind")
    return bool(wrong)


def compared(warm: Holdings, before: Holdings, after: Holdings) -> list[str]:
    """What is still held and should not be."""
    return [
        *["descriptors"] * (after.descriptors > before.descriptors + OWN),
        *["files"] * bool(after.files - before.files),
        *["memory"] * (after.resident > warm.resident * SLACK),
    ]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
