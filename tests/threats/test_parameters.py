"""Every route of every API with hostile values in every parameter: paths to elsewhere, markup, NUL."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from holdfast.dialects import ALL
from holdfast.web.dialect import Dialect, Route
from tests.authorization.matrix import Exercise, exercises
from tests.threats.conftest import Target

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIELD = re.compile(r"\{(\w+)(?::path)?\}")
ROUTES = [
    pytest.param(dialect, route, id=f"{dialect.name} {route.method} {route.path}")
    for dialect in ALL
    for route in dialect.routes
]
ELSEWHERE = (
    "..",
    "../../secret.txt",
    "..%2F..%2Fsecret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%5C..%5Csecret.txt",
    "..;/secret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "%uff0e%uff0e/secret.txt",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "file:%2F%2F%2Fetc%2Fpasswd",
    "secret.txt%00.png",
    "*",
    "x" * 5000,
)
MARKUP = "<script>q7taint</script>"


def filled(route: Route, value: str) -> str:
    """The route's path with one value in all of its fields."""
    return FIELD.sub(lambda _: value, route.path)


def asked(route: Route, value: str) -> Iterator[str]:
    """The path with the value in its fields, and with honest fields and the value in each parameter of the query."""
    if FIELD.search(route.path):
        yield filled(route, value)
    names = [parameter.name for parameter in route.operation.parameters if parameter.where == "query"]
    for name in [*names, "unknown"]:
        yield f"{filled(route, 'x')}?{quote(name)}={value}"


class Watch:
    """The names of files that this process opens while it is told to look."""

    def __init__(self) -> None:
        self.looking = False
        self.opened: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.looking and event in {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir"}:
            self.opened.append(str(arguments[0]))


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.mark.parametrize(("dialect", "route"), ROUTES)
async def test_a_path_in_a_parameter_reaches_no_file(
    target: Target, watch: Watch, dialect: Dialect, route: Route
) -> None:
    """Neither is it opened, nor does it make the server fail."""
    secret = target.house.settings.data.parent / "secret.txt"
    secret.write_text("q7secret")
    watch.opened.clear()
    watch.looking = True
    try:
        for value in (*ELSEWHERE, quote(str(secret), safe="")):
            for url in asked(route, value):
                answer = await target.client(route.method, url, headers=target.bearer())
                assert answer.status < 500, url
                assert b"q7secret" not in answer.body, url
    finally:
        watch.looking = False
    assert [name for name in watch.opened if "secret" in name or "passwd" in name] == []
    if target.state.moved():
        await target.state.restore()


@pytest.mark.parametrize(("dialect", "route"), ROUTES)
async def test_markup_in_a_parameter_is_never_sent_back_as_a_page(
    target: Target, dialect: Dialect, route: Route
) -> None:
    for url in asked(route, quote(MARKUP, safe="")):
        answer = await target.client(route.method, url, headers=target.bearer())
        assert answer.status < 500, url
        assert answer["x-content-type-options"] == "nosniff"
        if b"q7taint" in answer.body:
            assert re.match(r"application/(problem\+)?json|text/plain", answer["content-type"]), url
    if target.state.moved():
        await target.state.restore()


BODIES = [each for each in exercises() if each.row.json or each.row.form]


@pytest.mark.parametrize("exercise", BODIES, ids=lambda exercise: exercise.label)
async def test_nul_is_refused_or_without_effect_wherever_it_stands(target: Target, exercise: Exercise) -> None:
    """In the path, in the query, and in each text of the body: no row ever holds one."""
    row = exercise.row
    target.state.moved()
    changed = [replace(row, json=told) for told in spoiled(row.json)] + [
        replace(row, form=f) for f in spoiled(row.form)
    ]
    assert changed
    for each in changed:
        answer = await target.ask(replace(exercise, row=each))
        assert answer.status < 500, each
        if answer.status >= 400:
            assert not target.state.moved(), each
    honest = str(target.asked(exercise)["target"])
    for url in (f"{honest}%00", f"{honest}{'&' if '?' in honest else '?'}q=%00"):
        assert (await target.ask(exercise, target=url)).status in {400, 404}, url
    assert target.state.holding_nul() == []
    if target.state.moved():
        await target.state.restore()


def spoiled(told: Any) -> Iterator[Any]:
    """The same with a NUL in one of its texts or names, for each of them."""
    if isinstance(told, str):
        yield f"{told}\0"
        yield f"{told[:1]}\0{told[1:]}"
    elif isinstance(told, Mapping):
        for key, value in told.items():
            yield from ({**told, key: worse} for worse in spoiled(value))
        yield {**told, "a\0b": "x"}
    elif isinstance(told, list):
        for at, value in enumerate(told):
            yield from ([*told[:at], worse, *told[at + 1 :]] for worse in spoiled(value))
