"""`POST /realms/4hse/protocol/openid-connect/token`: password and refresh grants (contract section 2, Keycloak)."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from falcon.asgi import Request

from holdfast.core.credentials import Session
from holdfast.core.errors import Unauthenticated
from holdfast.dialects.four_hse.errors import TokenError
from holdfast.dialects.four_hse.inputs import TOKEN_PARAMETER
from holdfast.web import body
from holdfast.web.auth import address_block, bearer
from holdfast.web.body import Field
from holdfast.web.dialect import Call
from holdfast.web.reply import Reply, json

SCOPE: Final = "openid profile email"


class TokenRequest(msgspec.Struct, frozen=True):
    """The form. Any `client_id` will do: users are known by name and password alone."""

    grant_type: Literal["password", "refresh_token"]
    username: str = ""
    password: str = ""
    refresh_token: str = ""
    client_id: str = ""
    client_secret: str = ""
    scope: str = ""


class TokenReply(msgspec.Struct, frozen=True):
    """A session; times in seconds."""

    access_token: str
    expires_in: int
    refresh_expires_in: int
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 the kind of the token
    scope: str = SCOPE


class _Refused(Exception):
    """No token, for a reason that the form itself shows."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.reply = json(TokenError(error, description), status)


def credential(req: Request) -> str | None:
    """The bearer token, or the `access-token` of the query (seed 003: both schemes are declared)."""
    secret = bearer(req)
    if secret is None:
        given = req.params.get(TOKEN_PARAMETER)
        secret = given if isinstance(given, str) else None
    return secret


def finish(call: Call, reply: Reply) -> Reply:
    """No cache keeps what was asked for with a secret in the URL."""
    return reply.adding(("Cache-Control", "no-store")) if TOKEN_PARAMETER in call.req.params else reply


async def token(call: Call) -> Reply:
    """POST /realms/4hse/protocol/openid-connect/token."""
    try:
        asked = _once(await body.fields(call))
        grant = _needed(asked, "grant_type", "Missing form parameter: grant_type")
        if grant == "password":
            return await _by_password(call, asked)
        if grant == "refresh_token":
            return await _by_refresh(call, asked)
        raise _Refused(400, "unsupported_grant_type", "Unsupported grant_type")
    except _Refused as refused:
        return refused.reply


async def _by_password(call: Call, asked: Mapping[str, str]) -> Reply:
    username = _needed(asked, "username", "Missing parameter: username")
    password = _needed(asked, "password", "Missing parameter: password")
    counted = (address_block(call.client), f"4hse {username.lower()}")
    await call.guesses.attempt(*counted)
    lifetime, refresh = _lifetimes(call)
    try:
        session = await call.store.sign_in(username, password, lifetime=lifetime, refresh=refresh)
    except Unauthenticated:
        raise _Refused(401, "invalid_grant", "Invalid user credentials") from None
    await call.guesses.succeeded(counted[1], returned=counted[:1])
    return _granted(session, refresh)


async def _by_refresh(call: Call, asked: Mapping[str, str]) -> Reply:
    secret = _needed(asked, "refresh_token", "No refresh token")
    block = address_block(call.client)
    await call.guesses.check(block)
    lifetime, refresh = _lifetimes(call)
    try:
        session = await call.store.renew(secret, lifetime=lifetime, refresh=refresh)
    except Unauthenticated:
        await call.guesses.failed(block)
        raise _Refused(400, "invalid_grant", "Invalid refresh token") from None
    return _granted(session, refresh)


def _granted(session: Session, refresh: int) -> Reply:
    return json(TokenReply(session.secret, session.expires_in, refresh, session.refresh or ""))


def _lifetimes(call: Call) -> tuple[int, int]:
    return int(call.choice("token_seconds")), int(call.choice("refresh_seconds"))


def _once(fields: list[Field]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in fields:
        if field.name in found:
            raise _Refused(400, "invalid_request", "duplicated parameter")
        found[field.name] = field.value
    return found


def _needed(asked: Mapping[str, str], name: str, description: str) -> str:
    value = asked.get(name)
    if not value:
        raise _Refused(400, "invalid_request", description)
    return value
