"""The store does what the reference says, step by step, several at once among them. `make model` takes many more."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engines.pairs import PAIRS, fresh_pair
from tests.model.machine import LOOKS, VERBS, Workshop, machine_of

EXAMPLES, STEPS = 60, 40
FEW = 2
"""Examples on pairs of engines that are taken in part."""


@pytest.mark.parametrize("pair", PAIRS)
def test_the_store_does_what_the_reference_says(pair: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    whole = pair == PAIRS[0] or request.config.getoption("engines") == "all"
    bounded = settings(
        max_examples=EXAMPLES if whole else FEW,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=tuple(HealthCheck),
    )
    with fresh_pair(pair) as engines:
        workshop = Workshop(tmp_path, engines)
        try:
            run_state_machine_as_test(machine_of(workshop), settings=bounded)
        finally:
            workshop.close()
    done = {verb for verb in (*VERBS, *LOOKS) if workshop.counts[f"{verb} done"]}
    assert done == {*VERBS, *LOOKS} or not whole
    print(f"{pair}: {workshop.steps} steps, {workshop.counts['at once']} times several at once, no divergence")
