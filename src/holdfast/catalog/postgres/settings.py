"""How long things may take, and how many connections there are."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Limits of one process; times in seconds.

    `connections` is the most that are open, `waiting` how many callers may wait for one, `wait_seconds` for how long;
    the same time is tried to reach a server that is away. `read_seconds` is the time of a read that an index answers,
    `scan_seconds` that of one which may look at many rows, `count_seconds` that of a count over a whole account.
    `lock_seconds` is how long a transaction waits for another, `transaction_seconds` how long it may take in all,
    `commit_seconds` how long its end may take, and `resolve_seconds` how long it is tried to find out whether a commit
    was carried out whose answer was lost. `retries` is how often a transaction is begun again.
    """

    connections: int = 10
    waiting: int = 1000
    wait_seconds: float = 5.0
    read_seconds: float = 5.0
    scan_seconds: float = 10.0
    count_seconds: float = 3600.0
    lock_seconds: float = 10.0
    transaction_seconds: float = 60.0
    commit_seconds: float = 10.0
    resolve_seconds: float = 8.0
    retries: int = 8
