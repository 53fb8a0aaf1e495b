"""Many steps of the model: `make model STEPS=200000`. Prints how many were taken, and every divergence found."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from tests.engines.pairs import PAIRS, fresh_pair
from tests.model.machine import Workshop, machine_of
from tests.model.pair import Diverged

STEPS_EACH = 50
EXAMPLES = 40


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--engines", choices=PAIRS, default=PAIRS[0], help="what the store stands on")
    chosen = parser.parse_args()
    bounded = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS_EACH,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=tuple(HealthCheck),
    )
    began, divergences, rounds, taken, at_once = time.monotonic(), 0, 0, 0, 0
    while taken < chosen.steps and time.monotonic() - began < chosen.seconds:
        with tempfile.TemporaryDirectory() as folder, fresh_pair(chosen.engines) as engines:
            workshop = Workshop(Path(folder), engines)
            try:
                run_state_machine_as_test(seed(chosen.seed + rounds)(machine_of(workshop)), settings=bounded)
            except (Diverged, HypothesisException) as error:
                divergences += 1
                print(f"divergence with --seed {chosen.seed + rounds}: {error}")
                print("\n".join(getattr(error, "__notes__", ())))
                print(*workshop.failures[:1])
            finally:
                workshop.close()
            taken += workshop.steps
            at_once += workshop.counts["at once"]
        rounds += 1
    spent = time.monotonic() - began
    counted = f"{taken} steps, {at_once} groups at once, {divergences} divergences, {spent:.0f} s"
    print(f"{chosen.engines}: {counted}, --seed {chosen.seed}")
    return 1 if divergences else 0


if __name__ == "__main__":
    sys.exit(main())
