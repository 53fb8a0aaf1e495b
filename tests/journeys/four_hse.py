"""The story in 4HSE's API."""

from collections.abc import Mapping
from urllib.parse import quote

import httpx

from tests.installation import Installation
from tests.journeys.journey import File, Home, Journey


class FourHSEJourney:
    """A project's folder and its files; the file moves to the folder of an office. A handle is an attachment_id."""

    def __init__(self, house: Installation, http: httpx.AsyncClient) -> None:
        self._house = house
        self._http = http
        self._folder = ""

    async def make_parent(self) -> Home:
        response = await self._http.post("/v2/project/create", json={"name": "Acme", "country": "IT"})
        assert response.status_code == 201
        self._folder = f"/projects/{response.json()['project_id']}"
        return self._folder

    async def upload(self, file: File) -> str:
        files = {"file": (file.name, file.content, file.media_type)}
        path = f"/v2/attachment/{quote(self._folder, safe='')}"
        response = await self._http.post(path, data={"path": file.name, "replace": "0"}, files=files)
        assert response.status_code == 201
        return str(response.json()["attachment_id"])

    async def core_id(self, handle: str) -> str:
        return (await (await self._house.desk()).attachments.at(await self._path(handle))).id

    async def _path(self, handle: str) -> str:
        response = await self._http.get(f"/v2/attachment/view/{handle}", headers={"Accept": "application/json"})
        assert response.status_code == 200
        return str(response.json()["attachment_path"])

    async def listed(self) -> list[str]:
        response = await self._http.post("/v2/attachment/index", json={"parent_path": self._folder})
        assert response.status_code == 200
        return [item["attachment_id"] for item in response.json() if item["data"]["mimetype"] != "directory"]

    async def describe(self, handle: str) -> Mapping[str, object]:
        response = await self._http.patch(f"/v2/attachment/update/{handle}", json={"description": "Signed"})
        assert response.status_code == 405
        return {}

    async def download(self, handle: str) -> bytes:
        response = await self._http.get(f"/v2/attachment/view/{handle}")
        assert response.status_code == 200
        return response.content

    async def carry(self, handle: str) -> tuple[str, Home]:
        elsewhere = f"{self._folder}/offices/Milan"
        told = {"path": f"{elsewhere}/lease.pdf"}
        response = await self._http.put(f"/v2/attachment/update/{handle}", json=told)
        assert response.status_code == 200
        return str(response.json()["attachment_id"]), elsewhere

    async def delete(self, handle: str) -> None:
        path = f"/v2/attachment/delete/{handle}"
        preview = await self._http.delete(path)
        assert (preview.status_code, preview.json()) == (400, [])
        assert (await self._http.delete(path, params={"force": "true"})).status_code == 204

    async def is_gone(self, handle: str) -> bool:
        answers = [
            await self._http.get(f"/v2/attachment/view/{handle}"),
            await self._http.get(f"/v2/attachment/view/{handle}", headers={"Accept": "application/json"}),
            await self._http.delete(f"/v2/attachment/delete/{handle}"),
        ]
        return {answer.status_code for answer in answers} == {404}


async def journey(house: Installation) -> Journey:
    """Begin with a token that may do all that the story needs."""
    return FourHSEJourney(
        house, await house.client("attachments.read", "attachments.write", "records.read", "records.write")
    )
