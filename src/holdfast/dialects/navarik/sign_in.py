"""`POST /auth/v1/service-account/token`: a service account signs in (contract section 2)."""

import msgspec

from holdfast.core.errors import Invalid
from holdfast.dialects.navarik.shapes import TokenReply, TokenRequest
from holdfast.web import body
from holdfast.web.auth import address_block
from holdfast.web.dialect import Call
from holdfast.web.reply import Reply, json

_DAY = 86_400


async def token(call: Call) -> Reply:
    """Client credentials, as JSON or as a form, for a bearer token that holds some days."""
    asked = await _request(call)
    address, name = f"address:{address_block(call.client)}", f"client:{asked.client_id}"
    await call.guesses.attempt(address, name)
    days = int(call.choice("token_days"))
    session = await call.store.sign_in_client(asked.client_id, asked.client_secret, lifetime=days * _DAY)
    await call.guesses.succeeded(name, returned=(address,))
    return json(TokenReply(session.secret, "bearer", f"{days}d"))


async def _request(call: Call) -> TokenRequest:
    if body.media_type(call) not in {body.URLENCODED, body.MULTIPART}:
        return await body.json(call, TokenRequest)
    told: dict[str, str] = {}
    for field in await body.fields(call):
        if field.name in told:
            raise Invalid(f"{field.name} is given more than once", fields={field.name: "repeated"})
        told[field.name] = field.value
    asked: TokenRequest = body.decoded(msgspec.json.encode(told), TokenRequest)
    return asked
