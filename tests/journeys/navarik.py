"""The story in Navarik Bridge's API."""

from collections.abc import Mapping
from typing import Any

import httpx

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from tests.installation import Installation
from tests.journeys.journey import File, Home, Journey


class NavarikJourney:
    """A document in a workspace and its files; the operator links the file to a second document."""

    def __init__(self, house: Installation, http: httpx.AsyncClient) -> None:
        self._house = house
        self._http = http
        self._workspace = ""
        self._document = ""

    async def _made(self, path: str, told: Mapping[str, Any]) -> str:
        response = await self._http.post(path, json=told)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def _files(self, document: str) -> str:
        return f"/v2/workspaces/{self._workspace}/documents/{document}/attachments"

    async def _new_document(self) -> str:
        told = {"type": "inspection.report", "body": {"title": "Cargo"}}
        return await self._made(f"/v2/workspaces/{self._workspace}/documents", told)

    async def make_parent(self) -> Home:
        parties = {}
        for party, category in (("client", "shipper"), ("vendor", "inspector")):
            id = await self._made("/v2/organizations", {"name": category.capitalize(), "category": category})
            parties[party] = {"id": id}
        self._workspace = await self._made("/v2/workspaces", {"description": "Cargo", "parties": parties})
        self._document = await self._new_document()
        return RecordRef("document", self._document)

    async def upload(self, file: File) -> str:
        files = {"file": (file.name, file.content, file.media_type)}
        response = await self._http.post(self._files(self._document), files=files)
        assert response.status_code == 201
        return str(response.json()["id"])

    async def core_id(self, handle: str) -> str:
        return handle

    async def listed(self) -> list[str]:
        response = await self._http.get(self._files(self._document))
        assert response.status_code == 200
        return [envelope["id"] for envelope in response.json()]

    async def describe(self, handle: str) -> Mapping[str, object]:
        response = await self._http.patch(f"{self._files(self._document)}/{handle}", json={"description": "Signed"})
        assert response.status_code == 405
        return {}

    async def download(self, handle: str) -> bytes:
        response = await self._http.get(f"/bridge{self._files(self._document)}/{handle}/content")
        assert response.status_code == 200
        return response.content

    async def carry(self, handle: str) -> tuple[str, Home]:
        second = RecordRef("document", await self._new_document())
        await (await self._house.desk()).links.hang(handle, Hook(second))
        listed = (await self._http.get(self._files(second.id))).json()
        assert [envelope["id"] for envelope in listed] == [handle]
        return handle, second

    async def delete(self, handle: str) -> None:
        response = await self._http.delete(f"{self._files(self._document)}/{handle}")
        assert (response.status_code, response.json()["last_action"]) == (200, "delete")

    async def is_gone(self, handle: str) -> bool:
        path = f"{self._files(self._document)}/{handle}"
        answers = [
            await self._http.get(path),
            await self._http.get(f"{path}/content"),
            await self._http.delete(path),
        ]
        return {answer.status_code for answer in answers} == {404}


async def journey(house: Installation) -> Journey:
    """Begin with a token that may do all that the story needs."""
    return NavarikJourney(
        house, await house.client("attachments.read", "attachments.write", "records.read", "records.write")
    )
