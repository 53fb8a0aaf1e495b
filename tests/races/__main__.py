"""Many rounds of each race: `make races ROUNDS=1000`. Prints how many were held, and every one that went wrong."""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.installation import installed
from tests.races.rounds import RACES, Ring


async def held(name: str, rounds: int) -> int:
    """Hold the rounds of one race; how many went wrong."""
    wrong, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        async with installed(Path(folder)) as house:
            for n in range(rounds):
                try:
                    await RACES[name](Ring(house, f"r{n}"))
                except AssertionError as error:
                    wrong += 1
                    print(f"{name}, round {n}: {error}", flush=True)
    print(f"{name}: {rounds} rounds, {wrong} wrong, {time.monotonic() - began:.0f} s", flush=True)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.races", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--only", choices=tuple(RACES), action="append")
    chosen = parser.parse_args()
    # A file that is taken away under its readers is missing, and the store says so each time.
    logging.disable(logging.ERROR)
    wrong = sum(asyncio.run(held(name, chosen.rounds)) for name in chosen.only or RACES)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
