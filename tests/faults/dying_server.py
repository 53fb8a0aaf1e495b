"""A server that dies by SIGKILL at the first byte of an answer: what was committed is committed, nobody was told.

Run as a module: data folder, token, idempotency key, name of a folder to make.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from holdfast.app import build
from holdfast.compose import open_store
from holdfast.dialects.native import NATIVE
from holdfast.settings import Settings


async def main(data: str, token: str, key: str, url: str) -> None:
    store = open_store(Settings(data=Path(data)))
    application = build(store, (NATIVE,))

    async def dying(
        scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        async def last(_event: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        await application(scope, receive, last)

    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    transport = httpx.ASGITransport(app=dying)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        await client.post(url, headers=headers, content=b"the bytes")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
