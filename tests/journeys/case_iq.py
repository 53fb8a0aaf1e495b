"""The story in Case IQ's API."""

from collections.abc import Mapping

import httpx

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from tests.installation import Installation
from tests.journeys.journey import File, Home, Journey


class CaseIQJourney:
    """A case and its files. This API neither changes, links nor deletes files: the operator does."""

    def __init__(self, house: Installation, http: httpx.AsyncClient) -> None:
        self._house = house
        self._http = http
        self._case = ""

    async def _made(self) -> str:
        response = await self._http.post("/api-public/1.0/case", json={"caseType": "Safety"})
        assert response.status_code == 201
        return str(response.json()["id"])

    async def _files_of(self, case: str) -> list[str]:
        response = await self._http.get("/api-public/1.0/attachments", params={"caseId": case})
        assert response.status_code == 200
        return [record["id"] for record in response.json()["records"]]

    async def make_parent(self) -> Home:
        self._case = await self._made()
        return RecordRef("case", self._case)

    async def upload(self, file: File) -> str:
        files = {"file": (file.name, file.content, file.media_type)}
        response = await self._http.post("/api-public/1.0/save_file", data={"caseId": self._case}, files=files)
        assert response.status_code == 200
        return str(response.json()["id"])

    async def core_id(self, handle: str) -> str:
        return handle

    async def listed(self) -> list[str]:
        return await self._files_of(self._case)

    async def describe(self, handle: str) -> Mapping[str, object]:
        response = await self._http.patch(f"/api-public/1.0/attachment/{handle}", json={"description": "Signed"})
        assert response.status_code == 405
        return {}

    async def download(self, handle: str) -> bytes:
        response = await self._http.get(f"/api-public/1.0/attachment/{handle}/attachment")
        assert response.status_code == 200
        return response.content

    async def carry(self, handle: str) -> tuple[str, Home]:
        second = RecordRef("case", await self._made())
        await (await self._house.desk()).links.hang(handle, Hook(second))
        assert await self._files_of(second.id) == [handle]
        return handle, second

    async def delete(self, handle: str) -> None:
        assert (await self._http.delete(f"/api-public/1.0/attachment/{handle}")).status_code == 405
        await (await self._house.desk()).attachments.trash(handle)

    async def is_gone(self, handle: str) -> bool:
        path = f"/api-public/1.0/attachment/{handle}"
        answers = [await self._http.get(path), await self._http.get(f"{path}/attachment")]
        return {answer.status_code for answer in answers} == {404}


async def journey(house: Installation) -> Journey:
    """Begin with a token that may do all that the story needs."""
    return CaseIQJourney(
        house, await house.client("attachments.read", "attachments.write", "records.read", "records.write")
    )
