"""Log-in, CSRF tokens, permissions and the headers that every answer carries (contract sections 2 and 3)."""

import hmac
from hashlib import sha256
from typing import Final

from holdfast.core.errors import Forbidden, Unauthenticated
from holdfast.core.model import Actor, PathScope, RecordScope
from holdfast.dialects.propops.errors import InvalidCsrfToken, WrongPassword, bad_parameter, refusal
from holdfast.dialects.propops.shapes import (
    CsrfIssued,
    CsrfToken,
    LoggedIn,
    Login,
    MobileAuth,
    MobileSession,
    PermissionsReply,
    PermissionsView,
    UserView,
    moment,
)
from holdfast.web import body
from holdfast.web.auth import address_block
from holdfast.web.dialect import Call, Route
from holdfast.web.limits import Quota
from holdfast.web.reply import Reply, json

MOBILE_KEY: Final = "api.security.mobile_auth.use"

_DAY: Final = 86_400
_LOGIN: Final = 90 * _DAY
_MOBILE: Final = 365 * _DAY
_CSRF_PURPOSE: Final = b"propops csrf token"
_ACCOUNT_TYPES: Final = {"Staff": 1, "Agent": 2, "Contractor": 5}


async def login(call: Call) -> Reply:
    """POST /api/auth/login: 90 days, and the user's other sessions end."""
    _take_address_quota(call)
    told = await body.json(call, Login)
    if not told.email or len(told.email) > 254:
        raise bad_parameter("email")
    if not told.password:
        raise bad_parameter("password")
    guesses, keys = call.guesses, (address_block(call.client), told.email.lower())
    await guesses.attempt(*keys)
    try:
        session = await call.store.sign_in(told.email, told.password, lifetime=_LOGIN, alone=True)
    except Unauthenticated:
        raise WrongPassword from None
    await guesses.succeeded(*keys)
    user = UserView(session.actor.name, told.email.lower(), account_type(session.actor))
    return json(LoggedIn(token=session.secret, expires_at=moment(session.expires_at), user=user))


async def mobile_auth(call: Call) -> Reply:
    """POST /api/security/mobile-auth: a session of 365 days for the owner of a valid one.

    An operator's token is handed back as it is: it lives as long as the operator has said.
    """
    _take_address_quota(call)
    told = await body.json(call, MobileAuth)
    if not told.token:
        raise bad_parameter("token")
    key = address_block(call.client)
    await call.guesses.check(key)
    try:
        actor = await call.store.identify(told.token)
    except Unauthenticated:
        await call.guesses.failed(key)
        raise
    if not actor.may(MOBILE_KEY):
        raise Forbidden
    secret = told.token
    if actor.kind != "token":
        secret = (await call.store.prolong(told.token, lifetime=_MOBILE)).secret
    user = UserView(actor.name, None, account_type(actor))
    return json(MobileSession(session_token=secret, csrf_token=csrf_token(secret), user=user))


async def issue_csrf_token(call: Call) -> Reply:
    """GET /api/security/csrf-token."""
    return json(CsrfIssued(data=CsrfToken(csrf_token(call.secret or ""))))


async def permissions(call: Call) -> Reply:
    """GET /api/users/permissions."""
    routes = call.dialect.routes if call.dialect is not None else ()
    granted = {key: _opens(call.actor, key, route) for route in routes for key in route.keys}
    kind = account_type(call.actor)
    return json(PermissionsReply(data=PermissionsView(granted, kind, kind, _ACCOUNT_TYPES[kind])))


def _opens(actor: Actor, key: str, route: Route) -> bool:
    return actor.may(key) or (bool(route.grants) and all(actor.may(permission) for permission in route.grants))


def account_type(actor: Actor) -> str:
    """Staff see all, agents their branches, contractors their jobs: what the scopes say (contract 2.3)."""
    kinds = {
        scope.record.type if isinstance(scope, RecordScope) else scope.type
        for scope in actor.scopes
        if not isinstance(scope, PathScope)
    }
    if "contractor" in kinds:
        return "Contractor"
    return "Agent" if "branch" in kinds else "Staff"


def csrf_token(secret: str) -> str:
    """The session's CSRF token: nothing is stored, and it ends with the session."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), _CSRF_PURPOSE, sha256).hexdigest()


def require_csrf(call: Call, field: str | None) -> None:
    """The session's token, in a field of the body or in the header. Raises `InvalidCsrfToken`."""
    expected = csrf_token(call.secret or "").encode()
    for shown in (field, call.req.get_header("X-CSRF-Token")):
        if shown and hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), expected):
            return
    raise InvalidCsrfToken


# ---------------------------------------------------------------- rates and times


def _address_rate(call: Call) -> tuple[tuple[str, str], int]:
    """Under which key an address is counted, and how often a minute it may ask; 0 is no limit."""
    return ("propops address", address_block(call.client)), int(call.choice("address_rate"))


def _take_address_quota(call: Call) -> None:
    key, limit = _address_rate(call)
    if limit:
        call.quota = call.counters.take(key, limit)


def finish(call: Call, reply: Reply) -> Reply:
    """Rate and timing headers on every answer, and a limit for addresses that show no valid token (contract 3)."""
    key, limit = _address_rate(call)
    quota = call.quota
    if quota is None and call.identity is None and limit:
        quota = call.counters.look(key, limit, more=1)
        if quota.remaining < 0:
            reply = refusal(call, 429, "Too many requests").adding(("Retry-After", str(quota.retry_after)))
    milliseconds = f"{call.elapsed * 1000:.2f}"
    # The store's share is not measured apart, so the whole time stands as its bound.
    times = (("X-Response-Time-ms", milliseconds), ("X-DB-Query-Time-ms", milliseconds))
    return reply.adding(*_rates(quota), *times)


def _rates(quota: Quota | None) -> tuple[tuple[str, str], ...]:
    if quota is None:
        return ()
    return (
        ("X-RateLimit-Limit", str(quota.limit)),
        ("X-RateLimit-Remaining", str(max(0, quota.remaining))),
        ("X-RateLimit-Reset", str(quota.reset_at)),
    )
