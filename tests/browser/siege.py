"""Active files, stored through every API, and a browser let loose on every URL that gives them out."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.browser.canary import Canary, canary, careless
from tests.browser.devtools import chromium
from tests.browser.oracle import Seen, Tab
from tests.browser.payloads import payloads
from tests.contents import SETTINGS, Sent, Urls, uploads
from tests.serving import Served, served

BATCH = 12


@dataclass(frozen=True, slots=True)
class Field:
    """The server under attack, the attacker's site, and what is on the server: URLs by API and file."""

    server: Served
    token: str
    site: Canary
    files: Mapping[str, Sent]


@dataclass
class Tally:
    """What was tried, and every breach."""

    visits: int = 0
    embeddings: int = 0
    breaches: list[str] = field(default_factory=list)

    def note(self, what: str, seen: Seen) -> None:
        """Keep what must not have happened."""
        if not seen.nothing:
            self.breaches.append(f"{what}: {seen}")


@contextmanager
def laid_out(folder: Path) -> Iterator[Field]:
    """A server with the demo records that will show inline all that it ever shows inline."""
    with canary() as site, served(folder / "data", "--demo", settings=SETTINGS) as server:
        files = {sent.name: sent for sent in payloads(site.base)}
        yield Field(server, server.token(account="demo"), site, files)


def store(ground: Field, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Urls]]:
    """Store the named files through the API that they are listed under; their URLs by API and name."""
    with ground.server.client(ground.token) as client:
        return {
            dialect: {name: uploads()[dialect](client, ground.files[name]) for name in names}
            for dialect, names in wanted.items()
        }


@asynccontextmanager
async def tab(folder: Path, site: Canary, origin: str, token: str) -> AsyncIterator[Tab]:
    """A page of a new browser."""
    async with chromium(folder) as browser:
        opened = Tab(browser, site, origin, token)
        await opened.open()
        yield opened


async def attack(page: Tab, base: str, stored: Mapping[str, Mapping[str, Urls]]) -> Tally:
    """Visit every URL, then pull them all into the attacker's page in every way."""
    tally = Tally()
    for dialect, files in stored.items():
        urls = {f"{base}{path}": name for name, by in files.items() for paths in by.values() for path in paths}
        for url, name in urls.items():
            seen = await page.visit(url)
            assert set(seen.answers) == {200}, f"{url} answered {seen.answers}: the visit proves nothing"
            tally.note(f"{dialect} {name} visited at {url}", seen)
            tally.visits += 1
        for batch in _batches(list(urls)):
            seen = await page.embed(batch)
            # 204 is the answer to the browser's own question whether it may ask across origins; it may not.
            assert set(seen.answers) <= {200, 204}, f"{batch} answered {seen.answers}: the embedding proves nothing"
            tally.note(f"{dialect} {[urls[url] for url in batch]} embedded", seen)
            tally.embeddings += len(batch)
    return tally


def _batches(urls: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(urls), BATCH):
        yield urls[start : start + BATCH]


async def harmless_when_careless(folder: Path, site: Canary, files: Mapping[str, Sent]) -> set[str]:
    """The files that do nothing on a server that believes its senders and adds no header."""
    paths = {f"/{name}": (sent.media_type, sent.content) for name, sent in files.items()}
    found = set()
    with careless(paths) as base:
        async with tab(folder, site, base, "") as page:
            for name in files:
                if (await page.visit(f"{base}/{name}")).nothing and (await page.embed([f"{base}/{name}"])).nothing:
                    found.add(name)
    return found
