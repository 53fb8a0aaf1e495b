"""Files sent as the bare body: whole, and what their client says they are."""

import hashlib
from base64 import b64encode

import httpx
import pytest


def announced(body: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm[:3]}-{algorithm[3:]}=:{b64encode(hashlib.new(algorithm, body).digest()).decode()}:"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_new_version_is_what_was_announced_or_is_not(client: httpx.AsyncClient, algorithm: str) -> None:
    made = await client.post("/v1/attachments", params={"name": "a.bin", "record": "job:7"}, content=b"one")
    path = f"/v1/attachments/{made.json()['id']}"
    honest = {"Content-Digest": announced(b"two", algorithm)}
    assert (await client.put(f"{path}/content", content=b"two", headers=honest)).json()["version"] == 2
    refused = await client.put(f"{path}/content", content=b"three", headers=honest)
    assert (refused.status_code, refused.json()["code"]) == (400, "digest_mismatch")
    assert (await client.get(path)).json()["version"] == 2
    assert (await client.get(f"{path}/content")).content == b"two"


async def test_a_fragment_never_takes_the_place_of_the_whole(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/attachments", params={"name": "a.bin", "record": "job:7"}, content=b"whole")
    path = f"/v1/attachments/{made.json()['id']}/content"
    refused = await client.put(path, content=b"ole", headers={"Content-Range": "bytes 2-4/5"})
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed")
    assert (await client.get(path)).content == b"whole"
