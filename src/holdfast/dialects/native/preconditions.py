"""Entity tags of the native API (RFC 9110 sections 8.8.3 and 13.1): `"r5"` for a resource's fifth revision."""

from falcon.asgi import Request

from holdfast.core.attachments import Expected
from holdfast.web.reply import Headers, Reply, empty, json


def etag(revision: int) -> str:
    """The tag of a revision."""
    return f'"r{revision}"'


def tagged(revision: int) -> Headers:
    """The header that carries it."""
    return (("ETag", etag(revision)),)


def answer(req: Request, view: object, revision: int) -> Reply:
    """The representation, or 304 when the client's copy is fresh."""
    given = req.get_header("If-None-Match")
    if given is not None and (given.strip() == "*" or etag(revision) in _tags(given, weak=True)):
        return empty(304, headers=tagged(revision))
    return json(view, headers=tagged(revision))


def expected_revisions(req: Request) -> frozenset[int] | None:
    """The revisions that `If-Match` allows; none that exists for tags that are not ours, None for no condition."""
    given = req.get_header("If-Match")
    if given is None or given.strip() == "*":
        return None
    tags = [tag.strip('"') for tag in _tags(given)]
    return frozenset(int(tag[1:]) for tag in tags if tag.startswith("r") and tag[1:].isascii() and tag[1:].isdigit())


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
