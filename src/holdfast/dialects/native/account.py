"""`/v1/events`, `/v1/me`, `/v1/stats`."""

from holdfast.dialects.native.shapes import EventList, Me, Stats, event_view
from holdfast.web.dialect import Call
from holdfast.web.query import Parameters
from holdfast.web.reply import Reply, json

_HIGHEST = 2**53


async def events(call: Call) -> Reply:
    """GET /v1/events?after=: the change feed, oldest first, without gaps."""
    parameters = Parameters(call.req.params)
    after, limit = parameters.whole("after", 0, 0, _HIGHEST), parameters.whole("limit", 100, 1, 1000)
    parameters.finish()
    page = await call.desk.events.after(after, limit)
    following = page.items[-1].number if page.items else after
    return json(EventList([event_view(event) for event in page.items], following))


async def me(call: Call) -> Reply:
    """GET /v1/me."""
    actor = call.actor
    account = await call.desk.account()
    scopes = [str(scope) for scope in actor.scopes]
    return json(Me(account.slug, actor.id, actor.kind, actor.name, sorted(actor.permissions), scopes))


async def stats(call: Call) -> Reply:
    """GET /v1/stats."""
    ledger, limits = await call.desk.usage(), (await call.desk.account()).settings
    return json(Stats(ledger.attachments, ledger.bytes, limits.quota_attachments, limits.quota_bytes, ledger.event))
