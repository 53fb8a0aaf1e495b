"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a create that is sent again is answered, not repeated.

Where the draft would have a second request refused with 409 while the first is still under way, this API lets both
come to their end: the one that commits first is carried out, the other gets its answer. A client that lost its
connection so needs no pause before it tries again, and no mark of an unfinished request can be left behind.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
from falcon.asgi import Request

from holdfast.core.errors import Malformed
from holdfast.core.idempotency import AlreadyAnswered, Answer, Once
from holdfast.core.store import Desk
from holdfast.web import body
from holdfast.web.dialect import Call
from holdfast.web.reply import JSON, Reply

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = ("Idempotency-Replayed", "true")

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_encode = msgspec.json.Encoder(order="deterministic").encode

T = TypeVar("T")


def idempotency_key(req: Request) -> str | None:
    """The key, without the quotes that the draft's syntax puts around it; None when there is none. Raises `Malformed`.

    A key is 1 to 255 visible ASCII characters.
    """
    given = req.get_header(HEADER)
    if given is None:
        return None
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        raise Malformed(f"{HEADER} is 1 to 255 visible ASCII characters", fields={HEADER: "malformed"})
    return key


async def once(
    call: Call, key: str | None, said: object, act: Callable[[Desk], Awaitable[T]], answer: Callable[[T], Reply]
) -> Reply:
    """Carry out a create and answer it; under a key that was answered before, give that answer.

    `said` is what the request says beyond its method, path, query and type. Raises `KeyReused`, and what `act` does.
    """
    if key is None:
        return answer(await act(call.desk))
    request = _encode(
        [
            call.req.method,
            call.req.path,
            call.req.params,
            body.media_type(call),
            call.req.get_header("If-Match"),
            said,
        ]
    )
    try:
        return answer(await act(call.desk.once(Once(key, request, lambda result: _kept(answer(result))))))
    except AlreadyAnswered as known:
        stored = known.stored
        return Reply(stored.status, stored.body, JSON, (*stored.headers, REPLAYED))


def _kept(reply: Reply) -> Answer:
    if not isinstance(reply.body, bytes):
        raise TypeError("an answer that is streamed cannot be kept")
    return Answer(reply.status, reply.headers, reply.body)
