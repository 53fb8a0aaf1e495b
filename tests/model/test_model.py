"""The store does what the reference says, step by step, several at once among them. `make model` takes many more."""

from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import LOOKS, VERBS, Workshop, machine_of

EXAMPLES, STEPS = 60, 40


def test_the_store_does_what_the_reference_says(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    bounded = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=tuple(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine_of(workshop), settings=bounded)
    finally:
        workshop.close()
    done = {verb for verb in (*VERBS, *LOOKS) if workshop.counts[f"{verb} done"]}
    assert done == {*VERBS, *LOOKS}
    print(f"{workshop.steps} steps, {workshop.counts['at once']} times several at once, no divergence")
