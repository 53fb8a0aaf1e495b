"""`POST /auth/oauth2/token`: the client-credentials grant (contract section 2, RFC 6749 section 4.4)."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from holdfast.core.errors import Invalid, Unauthenticated
from holdfast.dialects.case_iq.errors import refused
from holdfast.web import body
from holdfast.web.auth import address_block
from holdfast.web.dialect import Call
from holdfast.web.reply import Reply, empty, json

MAX_TTL: Final = 3600
DEFAULT_TTL: Final = 600

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")


class AccessToken(msgspec.Struct, frozen=True):
    """A token and the seconds it lives (RFC 6749 section 5.1; the vendor does not print this body)."""

    access_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 the kind of the token


async def token(call: Call) -> Reply:
    """POST /auth/oauth2/token."""
    if call.choice("token_endpoint") == "off":
        return empty(404)
    asked = await _asked(call)
    grant_type = _text(asked, "grant_type")
    if grant_type != "client_credentials":
        return refused(501, "unsupported_grant_type")
    if "scope" in asked:
        return refused(400, "invalid_scope", "Scope is not supported")
    ttl = _ttl(asked.get("ttl"))
    if not 0 < ttl <= MAX_TTL:
        return refused(400, "invalid_request", f"Requested ttl of {ttl} is greater than the maximum value {MAX_TTL}")
    return await _signed_in(call, _text(asked, "client_id"), _text(asked, "client_secret"), ttl)


async def _signed_in(call: Call, client_id: str, secret: str, ttl: float) -> Reply:
    if ttl != int(ttl):
        raise Invalid("ttl is a whole number of seconds", fields={"ttl": "not whole"})
    # By address alone: secrets cannot be guessed name by name, and a count by name would let anybody lock a client out.
    block = address_block(call.client)
    await call.guesses.check(block)
    try:
        session = await call.store.sign_in_client(client_id, secret, lifetime=int(ttl))
    except Unauthenticated:
        await call.guesses.failed(block)
        return refused(401, "invalid_client")
    await call.guesses.succeeded(block)
    return json(AccessToken(session.secret, session.expires_in))


async def _asked(call: Call) -> Mapping[str, Any]:
    if body.media_type(call) != body.URLENCODED:
        return await body.json(call, dict[str, Any])
    asked: dict[str, Any] = {}
    for field in await body.fields(call):
        if field.name in asked:
            raise Invalid(f"{field.name} is given more than once", fields={field.name: "repeated"})
        asked[field.name] = field.value
    if _WHOLE.fullmatch(str(asked.get("ttl", ""))):
        asked["ttl"] = int(asked["ttl"])
    return asked


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"{name} is required", fields={name: "missing"})
    return value


def _ttl(value: object) -> int | float:
    if value is None:
        return DEFAULT_TTL
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid("ttl is a number of seconds", fields={"ttl": "not a number"})
    return value
