"""Health, metrics, logs, documents and the reference page, and what the application does around them."""

import asyncio
import json
import logging
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from holdfast.app import Options, build, log_formatter
from holdfast.core.errors import RateLimited
from holdfast.web.auth import address_block
from holdfast.web.dialect import Absent, Dialect, Operation, Parameter, Response, Route
from holdfast.web.dispatch import header_list
from holdfast.web.limits import Counters
from holdfast.web.logs import redacted_query, redacted_text
from holdfast.web.openapi import describe
from holdfast.web.reply import Reply
from tests.web.asgi import Client
from tests.web.conftest import Make
from tests.web.toy import TOY, VENDOR, Store, echo

SECRET = "0123456789abcdef" * 4


async def test_health(make: Make) -> None:
    async def broken() -> None:
        raise RuntimeError("catalog at /var/secret is locked")

    assert (await make()("GET", "/health/ready")).json == {"status": "ready"}
    sick = make(Options(ready=broken))
    answer = await sick("GET", "/health/ready")
    assert (answer.status, answer.json["detail"]) == (503, "Not ready")
    assert (await sick("GET", "/health/live")).status == 200


async def test_metrics_count_by_route_and_never_by_path(client: Client) -> None:
    for target in ("/toy/echo/a/b", "/toy/echo/c/d", "/toy/none", "/nowhere", "/toy/explode"):
        await client("GET", target)
    await client("XYZZY", "/toy/open")
    await client("PUT", "/toy/files/x", b"12345")
    page = (await client("GET", "/metrics")).body.decode()
    assert 'holdfast_requests_total{dialect="toy",method="GET",route="/toy/echo/{one}/{two}",status="200"} 2.0' in page
    assert 'holdfast_requests_total{dialect="toy",method="GET",route="/toy/explode",status="500"} 1.0' in page
    assert 'holdfast_requests_total{dialect="service",method="other",route="",status="404"} 2.0' in page
    assert 'holdfast_requests_total{dialect="toy",method="other",route="/toy/open",status="405"} 1.0' in page
    assert 'holdfast_received_bytes_total{dialect="toy"} 5.0' in page
    assert 'holdfast_request_seconds_count{dialect="toy",method="PUT",route="/toy/files/{name}"} 1.0' in page
    assert "holdfast_requests_in_flight 1.0" in page
    assert "nowhere" not in page
    assert "XYZZY" not in page


async def test_metrics_may_be_closed(make: Make) -> None:
    client = make(Options(open_metrics=False), token=None)
    for headers, status in [
        ({}, 401),
        ({"authorization": "Bearer no"}, 401),
        ({"authorization": "Bearer token-ada"}, 403),
        ({"authorization": "Bearer token-admin"}, 200),
    ]:
        assert (await client("GET", "/metrics", headers=headers)).status == status


async def test_access_lines_hold_no_secret(make: Make) -> None:
    written: list[bytes] = []
    client = make(Options(access_log=written.append, clock=lambda: 5.0), token=f"token-{SECRET}")
    query = f"access-token={SECRET}&a=1&csrf_token=x&%74oken=y&sha={SECRET}&flag"
    answer = await client("GET", f"/toy/open?{query}", headers={"user-agent": "Bearer " + SECRET})
    await client("GET", "/toy/files/none")
    await asyncio.sleep(0.3)
    text = b"".join(written).decode()
    first, second = map(json.loads, text.splitlines())
    assert SECRET not in first["query"]
    assert first["query"].startswith(
        "access-token=[redacted]&a=1&csrf_token=[redacted]&%74oken=[redacted]&sha=[redacted]"
    )
    assert first["query"].endswith("&flag")
    assert (first["request_id"], first["status"], first["route"], first["time"]) == (
        answer["x-request-id"], 200, "/toy/open", 5.0,
    )  # fmt: skip
    assert (second["status"], second["actor"], second["account"]) == (404, f"token-{SECRET}", 1)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: basic {SECRET}",
        f"GET /v2/x?access-token={SECRET}&y=1",
        f'{{"client_secret": "{SECRET}"}}',
        f"unknown token {SECRET}",
    ],
)
def test_messages_hold_no_secret(text: str) -> None:
    assert SECRET not in redacted_text(text)


def test_ordinary_queries_stay_readable() -> None:
    assert redacted_query("q=report&limit=50&contact[uuid]=97b2&x") == "q=report&limit=50&contact[uuid]=97b2&x"
    assert len(redacted_query("a=b&" * 100_000)) < 3000


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\r\nSet-Cookie: b=c", "a\0b"])
def test_no_value_of_a_header_leaves_its_line(value: str) -> None:
    for reply in (Reply(headers=(("X-Name", value),)), Reply(media_type=value)):
        with pytest.raises(ValueError, match="control character"):
            header_list(reply, "id")
    assert (b"x-name", b"a\tb \xe9") in header_list(Reply(headers=(("X-Name", "a\tb é"),)), "id")


async def test_a_crash_is_logged_under_the_request_id(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    answer = await client("GET", "/toy/explode")
    (record,) = [record for record in caplog.records if record.name == "holdfast.web"]
    line = json.loads(log_formatter().format(record))
    assert line["request_id"] == answer["x-request-id"]
    assert "RuntimeError: secret-of-the-house" in line["exception"]
    assert line["level"] == "error"
    assert "\n" not in log_formatter().format(logging.makeLogRecord({"msg": "a\nb\x1b[31m"}))


class Thing(msgspec.Struct):
    """A thing."""

    name: str
    size: int | None = None
    inner: "Thing | None" = None


class Wrong(msgspec.Struct):
    message: str


DESCRIBED = Dialect(
    name="described",
    title="<Described & co>",
    description="It <b>describes</b>.",
    prefixes=("/d",),
    mounts=("", "/m"),
    routes=(
        Route(
            "POST",
            "/d/things/{id}/{rest:path}",
            echo,
            summary="Make <script>alert(1)</script>",
            operation=Operation(
                description="More.",
                parameters=(Parameter("limit", int, "How many"), Parameter("id", str, "Which", where="path")),
                body={"application/json": Thing},
                responses={
                    201: Response("Made", {"application/json": list[Thing]}, {"Location": str}),
                    200: Response("Bytes", {"*/*": None, "text/plain": {"type": "string", "format": "binary"}}),
                },
            ),
        ),
        Route("GET", "/d/open", echo, public=True),
    ),
    errors=TOY.errors,
    failure=Wrong,
    absent=(Absent("PUT", "/d/<x>", "because"),),
)


def test_openapi_says_what_the_table_says() -> None:
    document = json.loads(msgspec.json.encode(describe(DESCRIBED, "https://x/")))
    assert document["openapi"] == "3.1.0"
    assert [server["url"] for server in document["servers"]] == ["https://x", "https://x/m"]
    assert list(document["paths"]) == ["/d/things/{id}/{rest}", "/d/open"]
    made = document["paths"]["/d/things/{id}/{rest}"]["post"]
    assert {(p["name"], p["in"], p["required"]) for p in made["parameters"]} == {
        ("rest", "path", True), ("limit", "query", False), ("id", "path", True),
    }  # fmt: skip
    assert made["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}
    assert list(made["responses"]) == ["200", "201", "default"]
    assert made["responses"]["default"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Wrong"
    }
    assert set(document["components"]["schemas"]) == {"Thing", "Wrong"}
    assert made["security"] == [{"bearer": []}]
    assert document["paths"]["/d/open"]["get"]["security"] == []


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


async def test_the_reference_page_is_whole_escaped_and_offline() -> None:
    store: Any = Store()
    client = Client(build(store, [DESCRIBED, VENDOR]))
    answer = await client("GET", "/docs")
    page = Page()
    page.feed(answer.body.decode())
    assert answer["content-type"] == "text/html; charset=utf-8"
    assert "unsafe" not in answer["content-security-policy"]
    assert answer["content-security-policy"].startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert [attrs for tag, attrs in page.tags if tag == "script"] == [{"src": "/docs/reference.js", "defer": None}]
    assert "b" not in {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"]
    assert not re.search(rb"https?://|//[a-z]", answer.body)
    assert {attrs["id"] for tag, attrs in page.tags if tag == "section"} == {"described", "vendor"}
    for _, attrs in page.tags:
        link = attrs.get("href") or attrs.get("src") or ""
        if link.startswith("/"):
            assert (await client("GET", link)).status == 200


async def test_assets_are_a_closed_list(client: Client) -> None:
    for target in ("/docs/", "/docs/..", "/docs/%2e%2e%2fservice.py", "/docs/reference.css/", "/openapi/none.json"):
        assert (await client("GET", target)).status == 404
    assert (await client("GET", "/openapi/toy.json")).json["info"]["title"] == "Toy"


async def test_the_lifespan_runs_its_hooks_in_order() -> None:
    seen: list[str] = []

    def hook(name: str) -> Any:
        async def run() -> None:
            seen.append(name)
            if name == "bad":
                raise RuntimeError("no")

        return run

    async def run(options: Options) -> list[dict[str, Any]]:
        store: Any = Store()
        sent: list[dict[str, Any]] = []
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive() -> Any:
            return events.pop(0)

        async def send(event: Any) -> None:
            sent.append(event)

        await build(store, [], options)({"type": "lifespan", "asgi": {}}, receive, send)
        return sent

    sent = await run(Options(start=(hook("a"), hook("b")), stop=(hook("c"), hook("d"))))
    assert seen == ["a", "b", "d", "c"]
    assert [event["type"] for event in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(RuntimeError):
        await run(Options(start=(hook("bad"),)))


def test_counters_are_fixed_windows_of_bounded_number() -> None:
    now = [0.0]
    counters = Counters(lambda: now[0], capacity=100)
    assert [counters.take("a", 2).remaining for _ in range(2)] == [1, 0]
    with pytest.raises(RateLimited) as refused:
        counters.take("a", 2)
    assert refused.value.retry_after == 60
    assert counters.take("b", 2).remaining == 1
    now[0] = 60.0
    assert counters.take("a", 2).remaining == 1
    for key in range(10_000):
        counters.take(key, 2)
    assert len(counters._windows) <= 100


def test_counters_say_what_is_fresh_once_and_learn_what_others_have_counted() -> None:
    now = [0.0]
    counters = Counters(lambda: now[0])
    for _ in range(3):
        counters.take("a", 5)
    assert counters.fresh() == {"a": (60.0, 3)}
    assert counters.fresh() == {}
    counters.take("a", 5)
    counters.learn({"a": (50.0, 4)})
    assert counters.look("a", 5).remaining == 0
    with pytest.raises(RateLimited) as refused:
        counters.take("a", 5)
    assert refused.value.retry_after == 50
    counters.take("b", 5)
    now[0] = 60.0
    assert counters.fresh() == {}


def test_address_blocks() -> None:
    assert address_block("2001:db8:1:2:3::4") == address_block("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert address_block("::ffff:192.0.2.1") == address_block("192.0.2.1") == "192.0.2.1"
    assert address_block("junk") == "junk"
