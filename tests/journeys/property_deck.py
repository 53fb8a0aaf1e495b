"""The story in Property Deck's API."""

from collections.abc import Mapping

import httpx

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from tests.installation import Installation
from tests.journeys.journey import File, Home, Journey


class PropertyDeckJourney:
    """A contact and its files; the operator links the file to a property, for which this API has no call."""

    def __init__(self, house: Installation, http: httpx.AsyncClient) -> None:
        self._house = house
        self._http = http
        self._contact = ""

    async def _made(self, path: str, told: Mapping[str, str]) -> str:
        response = await self._http.post(path, json=told)
        assert response.status_code == 201
        return str(response.json()["data"]["uuid"])

    async def make_parent(self) -> Home:
        self._contact = await self._made("/contacts", {"name": "Ada", "email": "ada@example.com"})
        return RecordRef("contact", self._contact)

    async def upload(self, file: File) -> str:
        files = {"upload": (file.name, file.content, file.media_type)}
        response = await self._http.post(f"/contacts/{self._contact}/attachments", files=files)
        assert response.status_code == 201
        return str(response.json()["data"]["uuid"])

    async def core_id(self, handle: str) -> str:
        return handle

    async def listed(self) -> list[str]:
        response = await self._http.get("/attachments", params={"contact[uuid]": self._contact})
        assert response.status_code == 200
        return [item["uuid"] for item in response.json()["data"]]

    async def describe(self, handle: str) -> Mapping[str, object]:
        response = await self._http.put(f"/attachments/{handle}", json={"description": "Signed"})
        assert response.status_code == 200
        return {"description": "Signed"}

    async def download(self, handle: str) -> bytes:
        described = await self._http.get(f"/attachments/{handle}")
        response = await self._http.get(described.json()["data"]["download_url"])
        assert response.status_code == 200
        return response.content

    async def carry(self, handle: str) -> tuple[str, Home]:
        property = RecordRef("property", await self._made("/properties", {"address": "1 Harbour Street"}))
        await (await self._house.desk()).links.hang(handle, Hook(property))
        response = await self._http.get("/attachments", params={"property": property.id})
        assert [item["uuid"] for item in response.json()["data"]] == [handle]
        return handle, property

    async def delete(self, handle: str) -> None:
        assert (await self._http.delete(f"/attachments/{handle}")).status_code == 204

    async def is_gone(self, handle: str) -> bool:
        path = f"/attachments/{handle}"
        answers = [
            await self._http.get(path),
            await self._http.get(f"{path}/download"),
            await self._http.get(f"{path}/stream"),
            await self._http.delete(path),
        ]
        return {answer.status_code for answer in answers} == {404}


async def journey(house: Installation) -> Journey:
    """Begin with a token that has the vendor's own scopes."""
    scopes = ("attachments.read", "attachments.write", "contacts.write", "properties.write")
    return PropertyDeckJourney(house, await house.client(*scopes))
