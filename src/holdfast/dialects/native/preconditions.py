"""Entity tags of the native API (RFC 9110 sections 8.8.3 and 13.1): `"r5"` for a resource's fifth revision.

What is read out of a content comes later than the content and changes no revision, but it changes what is shown: an
attachment that shows it has the tag `"r5m"`. To `If-Match` the two are the same, so that nobody's change fails because
the server has looked at a picture meanwhile.
"""

import re

from falcon.asgi import Request

from holdfast.core.attachments import Expected
from holdfast.web.reply import Headers, Reply, empty, json

_TAG = re.compile(r"r([0-9]{1,18})m?")


def etag(revision: int, *, media: bool = False) -> str:
    """The tag of a revision; `media` where what was read out of the content is shown."""
    return f'"r{revision}{"m" if media else ""}"'


def tagged(revision: int, *, media: bool = False) -> Headers:
    """The header that carries it."""
    return (("ETag", etag(revision, media=media)),)


def answer(req: Request, view: object, revision: int, *, media: bool = False) -> Reply:
    """The representation, or 304 when the client's copy is fresh."""
    given = req.get_header("If-None-Match")
    headers = tagged(revision, media=media)
    if given is not None and (given.strip() == "*" or etag(revision, media=media) in _tags(given, weak=True)):
        return empty(304, headers=headers)
    return json(view, headers=headers)


def expected_revisions(req: Request) -> frozenset[int] | None:
    """The revisions that `If-Match` allows; none that exists for tags that are not ours, None for no condition."""
    given = req.get_header("If-Match")
    if given is None or given.strip() == "*":
        return None
    tags = (_TAG.fullmatch(tag.strip('"')) for tag in _tags(given))
    return frozenset(int(tag[1]) for tag in tags if tag is not None)


def expected_state(req: Request) -> Expected:
    """What `If-Match` says of an attachment: revisions, or digests of its content as the content's own tag has them."""
    given = req.get_header("If-Match")
    if given is None or given.strip() == "*":
        return Expected()
    digests = set()
    for tag in _tags(given):
        bare = tag.strip('"')
        if len(bare) == 64 and all(digit in "0123456789abcdef" for digit in bare):
            digests.add(bytes.fromhex(bare))
    if digests:
        return Expected(digests=frozenset(digests))
    return Expected(revisions=expected_revisions(req))


def wants_new(req: Request) -> bool:
    """Whether `If-None-Match: *` asks that nothing be there yet."""
    given = req.get_header("If-None-Match")
    return given is not None and given.strip() == "*"


def _tags(given: str, *, weak: bool = False) -> list[str]:
    tags = [part.strip() for part in given[:4096].split(",")]
    return [tag.removeprefix("W/") for tag in tags] if weak else tags
