"""What a stored file makes a real browser do: which scripts ran, who was called, where the page went."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.browser.canary import Canary
from tests.browser.devtools import Chromium, Params

RAN = "RAN "
SETTLE = 0.12
LOAD = 10.0
DRAWN = 1.0

WAYS = ("script", "module", "link", "img", "object", "embed", "iframe", "video", "track", "font", "worker", "import")
"""How a page of another site can pull a URL in."""

_ICON = "/favicon.ico"
"""What a browser asks for by itself, whatever it shows."""

_EMBED = """
(async (urls, ways) => {
  const asked = (tag, attributes, parent) => new Promise(done => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.onload = element.onerror = element.onloadeddata = done;
    setTimeout(done, 1000);
    (parent || document.body).append(element);
  });
  const inWorker = body => new Promise(done => {
    const worker = new Worker(URL.createObjectURL(new Blob([body], {type: 'text/javascript'})));
    worker.onmessage = worker.onerror = done;
    setTimeout(done, 1000);
  });
  const how = {
    script: url => asked('script', {src: url}),
    module: url => asked('script', {src: url, type: 'module'}),
    link: url => asked('link', {rel: 'stylesheet', href: url}),
    img: url => asked('img', {src: url}),
    object: url => asked('object', {data: url}),
    embed: url => asked('embed', {src: url}),
    iframe: url => asked('iframe', {src: url}),
    video: url => asked('video', {src: url, autoplay: true, muted: true}),
    track: url => asked('track', {src: url, default: true}, document.body.appendChild(document.createElement('video'))),
    font: url => new FontFace('f', `url(${JSON.stringify(url)})`).load().catch(() => 0),
    worker: url => new Promise(done => {
      try { const worker = new Worker(url); worker.onerror = done; setTimeout(done, 300); } catch { done(); }
    }),
    import: url => inWorker(`try { importScripts(${JSON.stringify(url)}) } catch {} postMessage(1)`),
  };
  await Promise.all(urls.flatMap(url => ways.map(way => how[way](url))));
  return urls.length * ways.length;
})
"""


@dataclass
class Seen:
    """Everything that must not have happened."""

    scripts: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    navigations: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def nothing(self) -> bool:
        return not (self.scripts or self.calls or self.navigations)

    def __str__(self) -> str:
        return f"scripts {self.scripts}, calls {self.calls}, navigations {self.navigations}"


class Tab:
    """One page of the browser that shows a token with every request, and notes what happens in it."""

    def __init__(self, browser: Chromium, canary: Canary, origin: str, token: str) -> None:
        self._browser = browser
        self._canary = canary
        self._origin = urlsplit(origin).netloc
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._sessions: set[str] = set()
        self._adopting: set[asyncio.Task[None]] = set()
        self._session = ""
        self._frame = ""
        self._stopped = asyncio.Event()
        self.seen = Seen()
        self._wanted: frozenset[str] = frozenset()

    async def open(self) -> None:
        """Make the page."""
        self._browser.listener = self._hear
        await self._browser.call("Browser.setDownloadBehavior", behavior="deny")
        target = await self._browser.call("Target.createTarget", url="about:blank")
        self._frame = target["targetId"]
        attached = await self._browser.call("Target.attachToTarget", targetId=self._frame, flatten=True)
        self._session = attached["sessionId"]
        await self._watch(self._session)
        await self._browser.call("Target.setDiscoverTargets", discover=True)

    async def _watch(self, session: str) -> None:
        self._sessions.add(session)
        call = self._browser.call
        await asyncio.gather(
            call("Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=True, flatten=True),
            call("Runtime.enable", session),
            call("Network.enable", session),
            call("Network.setExtraHTTPHeaders", session, headers=self._headers),
            call("Page.enable", session),
            return_exceptions=True,
        )

    async def _adopt(self, session: str) -> None:
        await self._watch(session)
        self._browser.tell("Runtime.runIfWaitingForDebugger", session)

    async def visit(self, url: str) -> Seen:
        """Go to a URL as a person would by a click, and see what it does."""
        await self.visit_and_stay(url)
        return await self._ended()

    async def embed(self, urls: Sequence[str], ways: Iterable[str] = WAYS) -> Seen:
        """Pull the URLs into a page of another site in every way, and see what they do."""
        self._begin([*urls, self._canary.page])
        await self._browser.call("Page.navigate", self._session, url=self._canary.page)
        await self._settled()
        await self._there(self._canary.page)
        expression = f"{_EMBED}({list(urls)!r}, {list(ways)!r})"
        told = await self._browser.call(
            "Runtime.evaluate", self._session, expression=expression, awaitPromise=True, returnByValue=True
        )
        assert told["result"].get("value") == len(urls) * len(list(ways)), told
        await asyncio.sleep(SETTLE)
        return await self._ended()

    async def picture(self, url: str) -> str:
        """What the screen shows of a URL some time after it has loaded: a PNG in base64."""
        await self.visit_and_stay(url)
        await asyncio.sleep(DRAWN)
        shot = await self._browser.call("Page.captureScreenshot", self._session)
        return str(shot["data"])

    async def visit_and_stay(self, url: str) -> None:
        """Go to a URL and wait until it has settled."""
        self._begin([url])
        went = await self._browser.call("Page.navigate", self._session, url=url)
        if not went.get("errorText"):
            await self._settled()

    def _begin(self, wanted: Iterable[str]) -> None:
        self.seen = Seen()
        self._wanted = frozenset(wanted)
        self._stopped.clear()
        self._canary.calls.clear()

    async def _settled(self) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), LOAD)
        except TimeoutError:
            pass
        await asyncio.sleep(SETTLE)

    async def _there(self, page: str) -> None:
        """On a busy machine the word that the page before has loaded may come after the call for this one."""
        where = {"expression": "document.readyState + ' ' + location.href", "returnByValue": True}
        async with asyncio.timeout(LOAD):
            while True:
                told = await self._browser.call("Runtime.evaluate", self._session, **where)
                if told["result"].get("value") == f"complete {page}":
                    return
                await asyncio.sleep(SETTLE)

    async def _ended(self) -> Seen:
        seen = self.seen
        await self._browser.call("Page.navigate", self._session, url="about:blank")
        seen.calls.extend(f"canary {path}" for path in self._canary.calls)
        return seen

    # ------------------------------------------------------------ what the browser says

    def _hear(self, method: str, params: Params, session: str) -> None:
        handler = getattr(self, "_on_" + method.replace(".", "_"), None)
        if handler is not None and (session in self._sessions or not session):
            handler(params, session)

    def _on_Target_attachedToTarget(self, params: Params, session: str) -> None:  # noqa: N802 the protocol's words
        task = asyncio.ensure_future(self._adopt(params["sessionId"]))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    def _on_Target_targetCreated(self, params: Params, session: str) -> None:  # noqa: N802
        info = params["targetInfo"]
        if info["type"] == "page" and info["targetId"] != self._frame and info.get("openerId"):
            self.seen.navigations.append(f"a window opened: {info['url']}")
            self._browser.tell("Target.closeTarget", targetId=info["targetId"])

    def _on_Runtime_consoleAPICalled(self, params: Params, session: str) -> None:  # noqa: N802
        said = " ".join(str(part.get("value", "")) for part in params["args"])
        if RAN in said:
            self.seen.scripts.append(said)

    def _on_Page_javascriptDialogOpening(self, params: Params, session: str) -> None:  # noqa: N802
        self.seen.scripts.append(f"dialog {params['message']}")
        self._browser.tell("Page.handleJavaScriptDialog", session, accept=True)

    def _on_Page_frameNavigated(self, params: Params, session: str) -> None:  # noqa: N802
        url = params["frame"]["url"]
        if url not in self._wanted and not url.startswith(("about:", "chrome-error:", "chrome-extension:")):
            self.seen.navigations.append(url)

    def _on_Page_frameStoppedLoading(self, params: Params, session: str) -> None:  # noqa: N802
        if params["frameId"] == self._frame:
            self._stopped.set()

    def _on_Network_requestWillBeSent(self, params: Params, session: str) -> None:  # noqa: N802
        url = params["request"]["url"]
        parts = urlsplit(url)
        ours = parts.netloc == self._origin or url in self._wanted or parts.path == _ICON
        if parts.scheme in {"http", "https", "ws", "wss", "ftp"} and not ours:
            self.seen.calls.append(url)

    def _on_Network_responseReceived(self, params: Params, session: str) -> None:  # noqa: N802
        response: Params = params["response"]
        parts = urlsplit(response["url"])
        if parts.netloc == self._origin and parts.path != _ICON:
            self.seen.answers[int(response["status"])] += 1
