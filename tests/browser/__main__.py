"""The full run: every active file, through every API, on every route, in every way; then the proof that it can see."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from holdfast.dialects import ALL
from tests.browser.oracle import WAYS
from tests.browser.payloads import INERT
from tests.browser.siege import attack, harmless_when_careless, laid_out, store, tab


async def main() -> int:
    """Print what was tried and every breach; 1 if there was one."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, laid_out(Path(name)) as ground:
        folder = Path(name)
        for part in ("tab", "careless"):
            (folder / part).mkdir()
        stored = store(ground, {dialect.name: list(ground.files) for dialect in ALL})
        async with tab(folder / "tab", ground.site, ground.server.base, ground.token) as page:
            tally = await attack(page, ground.server.base, stored)
        asleep = await harmless_when_careless(folder / "careless", ground.site, ground.files)
    for breach in tally.breaches:
        print(breach)
    print(f"files {len(ground.files)}, of which {len(ground.files) - len(asleep)} act on a careless server")
    print(f"visits {tally.visits}, embeddings {tally.embeddings} in {len(WAYS)} ways each")
    print(f"breaches {len(tally.breaches)}, {time.monotonic() - began:.0f} s")
    if asleep - INERT:
        print(f"no longer seen to act, though they did: {sorted(asleep - INERT)}")
    return bool(tally.breaches or asleep - INERT)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
