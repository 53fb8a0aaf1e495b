"""The process from which the cage's children are forked: `python -m holdfast.media.zygote`.

Loading Python and the decoders takes longer than decoding a photograph, so it is done once, here, before any file is
seen. For each order this process forks a child that serves one file and ends, so that nothing can be carried over to
the next. It reads no byte of any file, has limits and namespaces of its own, and ends with the server.

Its standard input is a socket that keeps messages apart. Order: `TYPE EDGE EDGE…`, with two descriptors: the file, and
where the child is to answer (see `cage`). Message back, when the child has ended: its exit status in decimal, negative
for the signal that killed it. One child at a time. The end of the orders is the end.
"""

import gc
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol

from holdfast.media import cage

if TYPE_CHECKING:
    from holdfast.media.decoders import Job

MAX_ORDER_BYTES = 256
MAX_STATUS_BYTES = 16


class Decoders(Protocol):
    """What is run on files."""

    def warm(self) -> None:
        """Load what most files need. Called once."""

    def bring(self, media_type: str) -> None:
        """Load what this type needs besides. Called in the zygote, so that later children find it there."""

    def load(self, media_type: str) -> "Job":
        """The job for a type. Called in the child."""


def main(decoders: Decoders | None = None) -> None:
    """Fork a child for each order until there are no more."""
    cage.limit()
    cage.isolate()
    if decoders is None:
        from holdfast.media import decoders as all_decoders  # noqa: PLC0415 -- not before the limits stand

        decoders = all_decoders
    decoders.warm()
    # What is loaded stays shared with the children: their collector does not write to it.
    gc.freeze()
    with socket.socket(fileno=0) as orders:
        while True:
            order, given, _, _ = socket.recv_fds(orders, MAX_ORDER_BYTES, 2)
            if not order:
                return
            media_type, *edges = order.decode("ascii").split()
            decoders.bring(media_type)
            status = _forked(decoders, media_type, [int(edge) for edge in edges], given)
            orders.send(str(status).encode())


def _forked(decoders: Decoders, media_type: str, edges: Sequence[int], given: Sequence[int]) -> int:
    """Serve one file in a child, and see its end: the exit status, negative for a signal."""
    zygote = os.getpid()
    child = os.fork()
    if child == 0:
        _live(decoders, media_type, edges, given, zygote)
    for descriptor in given:
        os.close(descriptor)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _live(decoders: Decoders, media_type: str, edges: Sequence[int], given: Sequence[int], zygote: int) -> NoReturn:
    """The life of a child, which ends here: nothing that a hostile file left is run through a tidy shutdown."""
    status = 1
    try:
        cage.die_with_parent()
        if os.getppid() == zygote:
            source = _keep_only(*given)
            status = cage.serve(source, edges, decoders.load(media_type))
    finally:
        os._exit(status)


def _keep_only(source: int, answer: int) -> int:
    """Close all descriptors, that of the orders above all, but the file, the way to answer and the void for errors."""
    os.dup2(answer, 1)
    os.close(0)
    os.dup2(source, 3)
    os.closerange(4, cage.OPEN_FILES)
    return 3


if __name__ == "__main__":
    main()
