"""One target, at random: `python -m tests.fuzz.unguided TARGET SECONDS`. For a Python that atheris does not know."""

import sys
import time

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import survives, targets


def main() -> None:
    """Whatever Hypothesis comes up with, until the time is over."""
    name, seconds = sys.argv[1:3]
    target, ends, runs = targets()[name], time.monotonic() + float(seconds), 0

    @given(st.binary(max_size=8192))
    @settings(
        max_examples=2_000, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def explore(data: bytes) -> None:
        nonlocal runs
        runs += 1
        survives(target, data)

    while time.monotonic() < ends:
        explore()
    print(f"stat::number_of_executed_units: {runs}", file=sys.stderr)


if __name__ == "__main__":
    main()
