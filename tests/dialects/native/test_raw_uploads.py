"""Files sent as the bare body: whole, and what their client says they are."""

import hashlib
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from holdfast.app import Options
from holdfast.dialects.native import NATIVE
from holdfast.web.wire import Pace
from tests.installation import installed
from tests.web.asgi import Client

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="path"\r\n\r\n/a/x\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nthe beginning'
)


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


@pytest.mark.parametrize("form", [False, True], ids=["raw", "form"])
async def test_a_path_that_is_taken_is_said_before_the_body_has_arrived(tmp_path: Path, form: bool) -> None:
    """The client has sent the beginning and waits; and who says that it may be replaced is not stopped."""
    options = Options(pace=Pace(window=0.2, drain_seconds=0.05))
    async with installed(tmp_path, options, (NATIVE,)) as house:
        client = Client(house.app, {"Authorization": f"Bearer {await house.token()}"})
        assert (await client("POST", "/v1/attachments?path=/a/x", b"first")).status == 201
        kind = {"Content-Type": "multipart/form-data; boundary=b"} if form else {}
        query, begun = ("", FORM) if form else ("path=/a/x&", b"the beginning")
        refused = await client("POST", f"/v1/attachments?{query}", begun, headers=kind, stall=True, length=10**6)
        assert (refused.status, refused.json["code"]) == (409, "conflict")
        for on_conflict in ("replace", "rename"):
            waited = f"/v1/attachments?{query}on_conflict={on_conflict}"
            answer = await client("POST", waited, begun, headers=kind, stall=True, length=10**6)
            assert answer.status == 408
        assert (await client("GET", "/v1/stats")).json["attachments"] == 1


async def test_a_repeated_create_hears_its_first_answer_though_its_own_file_is_at_the_path(
    client: httpx.AsyncClient,
) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await client.post("/v1/attachments", params={"path": "/a/x"}, content=b"x", headers=headers)
    again = await client.post("/v1/attachments", params={"path": "/a/x"}, content=b"x", headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
