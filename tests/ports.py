"""Free ports of the loopback interface, for servers that tests start.

A port that was found free is listened on a moment later, by another process. Until then nobody else may get it: all
ports here lie below those that the system gives away by itself, and the lanes of a run have a stretch each.
"""

import functools
import itertools
import os
import random
import socket
from collections.abc import Iterator

LOWEST, STRETCH, LANES = 12_000, 2_000, 10


def free_port() -> int:
    """A port that nobody listens on. This process gets it again only when it has had all others."""
    for port in itertools.islice(_in_turn(), STRETCH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"no port is free of {STRETCH}")


@functools.cache
def _in_turn() -> Iterator[int]:
    lane = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % LANES
    # Somewhere within, for runs side by side and for programs that tests start and that ask here themselves.
    begin = random.SystemRandom().randrange(STRETCH)
    return itertools.cycle([LOWEST + lane * STRETCH + (begin + n) % STRETCH for n in range(STRETCH)])
