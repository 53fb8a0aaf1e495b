"""`python -m tests.web.served PORT`: the toy behind the real server, with short patience."""

import socket
import sys
from typing import cast

import uvloop

from holdfast.app import Options, build
from holdfast.core.store import Store as CoreStore
from holdfast.transport.connection import Patience
from holdfast.transport.server import run
from holdfast.web.dialect import Call, Dialect, Route
from holdfast.web.reply import Reply, json
from holdfast.web.wire import Pace
from tests.web.toy import TOY, VENDOR, Store

store = Store(chunk=1 << 18)
store.keep("large", b"x" * (64 << 20))


async def probe(_call: Call) -> Reply:
    return json({"reads": store.reads, "closed": store.closed})


PROBE = Dialect(
    name="probe",
    title="",
    prefixes=("/probe",),
    routes=(Route("GET", "/probe", probe, public=True),),
    errors=TOY.errors,
)
PACE = Pace(window=1.0, send_deadline=1.0, drain_seconds=2.0)
app = build(cast(CoreStore, store), [TOY, VENDOR, PROBE], Options(pace=PACE))


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
        run(lambda: app, listening, Patience(head=1.0, idle=2.0, linger=2.0), 5.0, uvloop.new_event_loop)
