"""The toy behind a real server, with short patience."""

from typing import cast

from holdfast.app import Options, build
from holdfast.core.store import Store as CoreStore
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
