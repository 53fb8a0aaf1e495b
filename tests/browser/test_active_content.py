"""No stored byte ever runs: a real browser is let loose on active files, stored through every API.

This is the run of every day; `make browser` tries all files on all routes of all APIs.
"""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from holdfast.dialects import ALL
from holdfast.web.dialect import Route
from tests.browser.payloads import FEW, INERT, PDF, payloads, pdf
from tests.browser.siege import Field, attack, harmless_when_careless, laid_out, store, tab
from tests.contents import Sent, uploads

EVERYWHERE = FEW[:2]
NAMES = [dialect.name for dialect in ALL]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with laid_out(tmp_path_factory.mktemp("siege")) as found:
        yield found


def test_every_route_that_gives_bytes_is_attacked(ground: Field) -> None:
    """A new one belongs into `tests/contents.py`."""
    stored = store(ground, {name: ["page.html"] for name in NAMES})
    attacked = {name: set(stored[name]["page.html"]) for name in NAMES}
    offered = {
        dialect.name: {mount + route.path for mount in dialect.mounts for route in dialect.routes if gives_bytes(route)}
        for dialect in ALL
    }
    assert attacked == offered


def gives_bytes(route: Route) -> bool:
    """Whether the route gives bytes that a stranger has sent; a picture that the server itself draws is none."""
    good = route.operation.responses.get(200)
    kinds = set() if good is None else {kind for kind in good.content if "json" not in kind}
    return route.method == "GET" and bool(kinds - {"image/jpeg"})


async def test_nothing_runs_calls_or_leads_away(ground: Field, tmp_path: Path) -> None:
    wanted = {name: [*EVERYWHERE, *FEW[2 + number :: len(NAMES)]] for number, name in enumerate(NAMES)}
    stored = store(ground, wanted)
    async with tab(tmp_path, ground.site, ground.server.base, ground.token) as page:
        tally = await attack(page, ground.server.base, stored)
    assert tally.breaches == []
    assert tally.visits == tally.embeddings >= 50


async def test_the_same_files_act_where_nobody_guards_against_them(ground: Field, tmp_path: Path) -> None:
    few = {name: ground.files[name] for name in FEW}
    assert await harmless_when_careless(tmp_path, ground.site, few) == set()


def test_there_are_enough_active_files() -> None:
    made = {sent.name for sent in payloads("http://attacker.example")}
    assert made >= INERT
    assert len(made - INERT) >= 60


async def test_a_pdf_is_shown_inside_the_sandbox(ground: Field, tmp_path: Path) -> None:
    sheet = Sent("sheet.pdf", PDF, pdf("<< /S /URI /URI (http://attacker.example/) >>"))
    with ground.server.client(ground.token) as client:
        stored = uploads()["property_deck"](client, sheet)
    url = ground.server.base + stored["/attachments/{uuid}/stream"][0]
    async with tab(tmp_path, ground.site, ground.server.base, ground.token) as page:
        assert blue(await page.picture(f"{ground.server.base}/health/live")) == 0
        pictures = [blue(await page.picture(url)) for _ in range(3)]
        assert max(pictures) > 10_000


def blue(picture: str) -> int:
    """How many pixels of the screen have the colour of the sheet's square."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    colours = image.getcolors(image.width * image.height) or []
    return sum(count for count, colour in colours if colour == (0, 0, 255))
