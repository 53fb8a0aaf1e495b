"""Which dialect answers what, and in whose words."""

import pytest

from holdfast.app import Options
from holdfast.core import errors
from holdfast.web.dialect import Dialect, Route
from holdfast.web.dispatch import claims, endpoints
from holdfast.web.problems import FAILURES, STATUS, lookup, problem
from tests.web.asgi import Client
from tests.web.conftest import Make
from tests.web.toy import TOY, VENDOR, Store, echo


async def test_path_fields_and_query_arrive_as_sent(client: Client) -> None:
    answer = await client("GET", "/toy/echo/a%20b/%C3%A9?x=&y=1,2&z=1&z=2")
    assert answer.json["params"] == {"one": "a b", "two": "é"}
    assert answer.json["query"] == {"x": "", "y": "1,2", "z": ["1", "2"]}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/toy/echo/%FF/x", 400),
        ("/toy/echo/%C0%AF/x", 400),
        ("/toy/echo/%00/x", 400),
        ("/toy/echo/%/x", 400),
        ("/toy/echo/%4/x", 400),
        ("/toy/echo/%zz/x", 400),
        # A character of which one byte is escaped and the other is not.
        ("/toy/echo/\udcd5%90/x", 400),
        ("/toy/open?q=\udcd5%90", 400),
        ("/toy/open?q=%FF", 400),
        ("/toy/open?q=%00", 400),
        ("/toy/open?q=100%", 200),
        ("/toy/echo//x", 404),
        ("/toy/echo/x/", 404),
        ("/toy/echo/a%2Fb", 404),
        ("/toy/echo/a%2Fb/c", 404),
        ("/toy/echo/%252F/c", 200),
        ("/toy%2Ftail/x", 404),
        ("/toy/tail/%2Fa%2fb/c", 200),
        ("/toy/tail/", 200),
        ("/toy/tail", 404),
        ("/toy/echo/../x", 200),
        ("//toy/open", 404),
    ],
)
async def test_paths_are_read_strictly(client: Client, target: str, status: int) -> None:
    assert (await client("GET", target)).status == status


async def test_the_tail_is_decoded_once(client: Client) -> None:
    assert (await client("GET", "/toy/tail/%2Fa%2fb%252Fc/d")).json["params"] == {"rest": "/a/b%2Fc/d"}


async def test_head_is_get_without_the_body(client: Client) -> None:
    get, head = await client("GET", "/toy/open"), await client("HEAD", "/toy/open")
    assert head.status == 200
    assert head.body == b""
    assert head["content-length"] == str(len(get.body))
    assert head["content-type"] == get["content-type"]


async def test_options_and_405_name_the_methods(client: Client) -> None:
    options = await client("OPTIONS", "/toy/files/x")
    refused = await client("DELETE", "/toy/files/x")
    assert (options.status, options["allow"], options.all("content-length")) == (204, "GET, HEAD, OPTIONS, PUT", [])
    assert (refused.status, refused["allow"]) == (405, "GET, HEAD, OPTIONS, PUT")


@pytest.mark.parametrize("method", ["BREW", "CONNECT", "get", "X" * 500])
async def test_unknown_methods_are_405(client: Client, method: str) -> None:
    assert (await client(method, "/toy/open")).status == 405


async def test_the_longest_claim_shapes_the_failure(client: Client) -> None:
    vendor = await client("GET", "/toy/vendor/none")
    toy = await client("GET", "/toy/none")
    unclaimed = await client("GET", "/toyota")
    assert (vendor.status, vendor.body, vendor["x-vendor"]) == (404, b"nothing here", "yes")
    assert toy["content-type"] == unclaimed["content-type"] == "application/problem+json"
    assert toy.json["code"] == "route_not_found"
    assert toy.get("x-vendor") is None


async def test_a_mount_serves_the_same_routes(client: Client) -> None:
    assert (await client("GET", "/bridge/vendor/7")).json["params"] == {"id": "7"}
    assert (await client("GET", "/bridge/vendor/7/8")).body == b"nothing here"
    assert (await client("GET", "/bridge/other")).json["code"] == "route_not_found"


async def test_vendor_shape_for_broken_path_wrong_method_and_crash(client: Client) -> None:
    for method, target, code in [
        ("GET", "/vendor/%FF", b"malformed"),
        ("POST", "/vendor/7", b"method_not_allowed"),
        ("POST", "/vendor/explode", b"internal"),
    ]:
        answer = await client(method, target)
        assert (answer.status, answer.body) == (418, code)


async def test_credentials(make: Make, store: Store) -> None:
    nobody = make(token=None)
    for headers in (
        {},
        {"authorization": "Bearer"},
        {"authorization": "Basic token-ada"},
        {"authorization": "Bearer x"},
    ):
        answer = await nobody("GET", "/toy/files/x", headers=headers)
        assert (answer.status, answer["www-authenticate"]) == (401, "Bearer")
    assert (await nobody("GET", "/toy/open")).status == 200
    assert store.desks == []
    await nobody("POST", "/toy/files", headers={"authorization": "bearer  token-ada"})
    assert store.desks == [("token-ada", ("toy.write",), ("attachments.write",))]


async def test_every_failure_has_a_status_and_no_traceback_leaves(client: Client) -> None:
    for kind in FAILURES:
        if not hasattr(errors, kind.__name__):
            continue
        answer = await client("GET", f"/toy/refuse/{kind.__name__}")
        assert answer.status == STATUS[kind]
        # What is out of scope is told as what is not there.
        assert answer.json["code"] == ("not_found" if kind is errors.OutOfScope else kind.code)
    crash = await client("GET", "/toy/explode")
    assert crash.status == 500
    assert b"secret" not in crash.body
    assert b"RuntimeError" not in crash.body


async def test_failures_carry_what_http_asks(client: Client) -> None:
    assert (await client("GET", "/toy/refuse/RateLimited"))["retry-after"] == "1"
    assert (await client("GET", "/toy/refuse/StorageFull"))["retry-after"] == "1"


def test_lookup_goes_up_the_ancestry() -> None:
    table = {errors.HoldfastError: 1, errors.Invalid: 2}
    assert lookup(table, errors.DigestMismatch) == 2
    assert lookup(table, errors.StorageFull) == 1
    assert lookup({}, errors.StorageFull) is None


def test_every_failure_is_listed_and_every_table_reaches_it() -> None:
    def below(kind: type[errors.HoldfastError]) -> set[type[errors.HoldfastError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    # A dialect's own failures are answered by its own table; its own tests see to that.
    rooms = ("holdfast.core.", "holdfast.web.")
    ours = {kind for kind in below(errors.HoldfastError) if kind.__module__.startswith(rooms)}
    # A file without a picture is, to every vendor, a picture that is not there.
    assert ours - {errors.HoldfastError, errors.Unrenderable} == set(FAILURES)
    for dialect in (TOY, VENDOR):
        assert all(lookup(dialect.errors, kind) for kind in FAILURES)


async def test_the_rate_is_counted_per_caller(make: Make) -> None:
    now = [1000.0]
    client = make(Options(clock=lambda: now[0]))
    left = [(await client("GET", "/vendor/1"))["x-ratelimit-remaining"] for _ in range(3)]
    refused = await client("GET", "/vendor/1")
    other = await client("GET", "/vendor/1", headers={"authorization": "Bearer token-bob"})
    assert left == ["2", "1", "0"]
    assert (refused.body, refused["retry-after"]) == (b"rate_limited", "60")
    assert other.status == 200
    now[0] += 60
    assert (await client("GET", "/vendor/1")).status == 200
    unlimited = make(Options(rates={"vendor": None}))
    assert {(await unlimited("GET", "/vendor/1")).status for _ in range(10)} == {200}


def test_conflicting_tables_are_refused_at_the_start() -> None:
    twin = Dialect(name="twin", title="", prefixes=("/toy",), routes=TOY.routes, errors={errors.HoldfastError: problem})
    with pytest.raises(ValueError, match="claimed by toy and twin"):
        claims([TOY, twin])
    with pytest.raises(ValueError, match="offered twice"):
        endpoints([TOY, twin])
    double = Dialect(
        name="d", title="", prefixes=("/d",), routes=(Route("GET", "/d", echo), Route("GET", "/d", echo)), errors={}
    )
    with pytest.raises(ValueError, match="GET /d is offered twice"):
        endpoints([double])


@pytest.mark.parametrize(
    ("wished", "kept"),
    [
        ("abcd-1234", True),
        ("x", False),
        ("a" * 65, False),
        ("abcd efgh", False),
        ("abcdefg\u00e9", False),
        ("{}{}{}{}{}", False),
    ],
)
async def test_request_ids(client: Client, wished: str, kept: bool) -> None:
    answer = await client("GET", "/toy/open", headers={"x-request-id": wished})
    assert (answer["x-request-id"] == wished) is kept
    assert (await client("GET", "/toy/none"))["x-request-id"] != answer["x-request-id"]


async def test_every_answer_has_the_default_headers(client: Client) -> None:
    for target in ("/toy/open", "/toy/none", "/none", "/toy/%FF", "/toy/explode", "/health/live", "/metrics"):
        answer = await client("GET", target)
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["cache-control"] == "no-store"
        assert answer["referrer-policy"] == "no-referrer"


BEHIND = Options(trusted_proxies=("192.0.2.0/24",))
HERE = "http://files.example"
FORWARDED = {"x-forwarded-for": "6.6.6.6, 1.1.1.1, 192.0.2.9", "x-forwarded-proto": "https", "x-forwarded-host": "pub"}


@pytest.mark.parametrize(
    ("options", "peer", "headers", "base", "client_address"),
    [
        (Options(), "192.0.2.1", {}, HERE, "192.0.2.1"),
        (Options(), "192.0.2.1", FORWARDED, HERE, "192.0.2.1"),
        (Options(), "192.0.2.1", {"forwarded": 'for=1.1.1.1;host="evil"'}, HERE, "192.0.2.1"),
        (BEHIND, "192.0.2.1", FORWARDED, "https://pub", "1.1.1.1"),
        (BEHIND, "198.51.100.1", FORWARDED, HERE, "198.51.100.1"),
        (BEHIND, "192.0.2.1", {"x-forwarded-for": "junk"}, HERE, "192.0.2.1"),
        (BEHIND, "::ffff:192.0.2.1", {"x-forwarded-for": "2001:db8::1"}, HERE, "2001:db8::1"),
        (BEHIND, "192.0.2.1", {"x-forwarded-host": "a b/../<script>"}, "http://127.0.0.1:8080", "192.0.2.1"),
        (Options(public_url="https://files.corp/"), "192.0.2.1", FORWARDED, "https://files.corp", "192.0.2.1"),
    ],
)
async def test_only_trusted_proxies_are_believed(
    make: Make, options: Options, peer: str, headers: dict[str, str], base: str, client_address: str
) -> None:
    answer = await make(options)("GET", "/toy/open", headers=headers, client=peer)
    assert (answer.json["base"], answer.json["client"]) == (base, client_address)
