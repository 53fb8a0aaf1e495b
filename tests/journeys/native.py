"""The story in `/v1`."""

from collections.abc import Mapping

import httpx

from holdfast.core.model import RecordRef
from tests.installation import Installation
from tests.journeys.journey import File, Home, Journey


class NativeJourney:
    """A case and its files; the file is linked to a second case."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def make_parent(self) -> Home:
        response = await self._http.put("/v1/records/case/1", json={"attributes": {"title": "One"}})
        assert response.status_code == 201
        return RecordRef("case", "1")

    async def upload(self, file: File) -> str:
        files = {"file": (file.name, file.content, file.media_type)}
        response = await self._http.post("/v1/attachments", data={"record": "case:1"}, files=files)
        assert response.status_code == 201
        return str(response.json()["id"])

    async def core_id(self, handle: str) -> str:
        return handle

    async def listed(self) -> list[str]:
        response = await self._http.get("/v1/records/case/1/attachments")
        assert response.status_code == 200
        return [item["id"] for item in response.json()["items"]]

    async def describe(self, handle: str) -> Mapping[str, object]:
        told = {"name": "signed.pdf", "description": "Signed"}
        response = await self._http.patch(f"/v1/attachments/{handle}", json=told)
        assert response.status_code == 200
        return told

    async def download(self, handle: str) -> bytes:
        response = await self._http.get(f"/v1/attachments/{handle}/content")
        assert response.status_code == 200
        return response.content

    async def carry(self, handle: str) -> tuple[str, Home]:
        await self._http.put("/v1/records/case/2", json={})
        response = await self._http.post(f"/v1/attachments/{handle}/links", json={"record": "case:2"})
        assert response.status_code == 201
        return handle, RecordRef("case", "2")

    async def delete(self, handle: str) -> None:
        assert (await self._http.delete(f"/v1/attachments/{handle}")).status_code == 204

    async def is_gone(self, handle: str) -> bool:
        path = f"/v1/attachments/{handle}"
        answers = [
            await self._http.get(path),
            await self._http.get(f"{path}/content"),
            await self._http.delete(path),
        ]
        return {answer.status_code for answer in answers} == {404}


async def journey(house: Installation) -> Journey:
    """Begin with a token that may do all that the story needs."""
    return NativeJourney(await house.client("attachments.read", "attachments.write", "records.read", "records.write"))
