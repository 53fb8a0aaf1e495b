"""Several processes that serve, and the one that watches over them."""

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Final, NoReturn

CANNOT_START: Final = 3
BREATH: Final = 1.0
MERCY: Final = 5.0

_WATCHED: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})

_log = logging.getLogger("holdfast.transport")


class Crew:
    """Workers that are replaced when they die."""

    def __init__(self, work: Callable[[int], bool], count: int, drain: float) -> None:
        """`work` serves until it is told to stop, and tells whether it could start; it is given the number of its place
        among the workers, from 0. `drain` is how many seconds it may take for its end."""
        self._work = work
        self._count = count
        self._drain = drain
        self._born: dict[int, tuple[int, float]] = {}
        self._ends: float | None = None
        self._failed = False

    def run(self) -> int:
        """Until SIGTERM or SIGINT, or until a worker cannot start. The exit code: 0 for an orderly end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        for place in range(self._count):
            self._begin(place)
        while self._born:
            got = signal.sigtimedwait(_WATCHED, self._patience())
            if got is not None and got.si_signo != signal.SIGCHLD:
                self._stop()
            self._bury()
            if self._ends is not None and time.monotonic() > self._ends:
                self._tell(signal.SIGKILL)
        return CANNOT_START if self._failed else 0

    def _patience(self) -> float:
        return BREATH if self._ends is None else min(BREATH, max(0.0, self._ends - time.monotonic()))

    def _begin(self, place: int) -> None:
        child = os.fork()
        if child == 0:
            self._serve(place)
        self._born[child] = (place, time.monotonic())

    def _serve(self, place: int) -> NoReturn:
        """The life of a worker, which ends here."""
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
            code = 0 if self._work(place) else CANNOT_START
        except BaseException:  # noqa: BLE001 nothing may return from here into the parent's code
            _log.exception("a server process failed")
        finally:
            os._exit(code)

    def _stop(self) -> None:
        if self._ends is None:
            self._ends = time.monotonic() + self._drain + MERCY
            self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for child in self._born:
            os.kill(child, number)

    def _bury(self) -> None:
        """Take note of those that have ended; replace them unless that is how it should be."""
        for child in list(self._born):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            place, born = self._born.pop(child)
            code = os.waitstatus_to_exitcode(status)
            if code == CANNOT_START:
                self._failed = True
                self._stop()
            elif self._ends is None:
                _log.error("server process %d ended with %d and is replaced", child, code)
                if time.monotonic() < born + BREATH:
                    time.sleep(BREATH)
                self._begin(place)
            elif code != 0:
                self._failed = self._failed or code != -signal.SIGKILL
