"""The story in PropOps' API."""

from collections.abc import Mapping

import httpx

from holdfast.core.attachments import Hook
from holdfast.core.model import RecordRef
from tests.installation import Installation
from tests.journeys.journey import File, Home, Journey


class PropOpsJourney:
    """A job and its documents; the operator links the file to a second job, for which this API has no call."""

    def __init__(self, house: Installation, http: httpx.AsyncClient, csrf: str) -> None:
        self._house = house
        self._http = http
        self._csrf = {"csrf_token": csrf}
        self._job = ""

    async def _made(self, title: str) -> str:
        told = {"action": "create", "job_title": title, **self._csrf}
        response = await self._http.post("/api/jobs/manage", json=told)
        assert response.status_code == 200
        return str(response.json()["data"]["uuid"])

    async def make_parent(self) -> Home:
        self._job = await self._made("Boiler service")
        return RecordRef("job", self._job)

    async def upload(self, file: File) -> str:
        form = {"action": "upload", "job_uuid": self._job, **self._csrf}
        files = {"file": (file.name, file.content, file.media_type)}
        response = await self._http.post("/api/jobs/documents", data=form, files=files)
        assert response.status_code == 200
        return str(response.json()["data"]["uuid"])

    async def core_id(self, handle: str) -> str:
        return handle

    async def listed(self) -> list[str]:
        query = {"action": "list", "job_uuid": self._job}
        response = await self._http.get("/api/jobs/documents", params=query)
        assert response.status_code == 200
        return [item["uuid"] for item in response.json()["data"]]

    async def describe(self, handle: str) -> Mapping[str, object]:
        return {}

    async def download(self, handle: str) -> bytes:
        response = await self._http.get(f"/attachment/{handle}?v=1718360400")
        assert response.status_code == 200
        return response.content

    async def carry(self, handle: str) -> tuple[str, Home]:
        second = RecordRef("job", await self._made("Follow-up"))
        await (await self._house.desk()).attachments.hang(handle, Hook(second, "document"))
        response = await self._http.get("/api/jobs/documents", params={"action": "list", "job_uuid": second.id})
        assert [item["uuid"] for item in response.json()["data"]] == [handle]
        return handle, second

    async def delete(self, handle: str) -> None:
        await (await self._house.desk()).attachments.trash(handle)

    async def is_gone(self, handle: str) -> bool:
        answers = [
            await self._http.get(f"/attachment/{handle}"),
            await self._http.get(f"/attachment/{handle}/thumbnail"),
        ]
        return {(answer.status_code, answer.text) for answer in answers} == {(404, "Attachment not found")}


async def journey(house: Installation) -> Journey:
    """Begin with a token that has the vendor's own keys."""
    http = await house.client("api.system.attachment.view", "api.jobs.manage.manage", "api.jobs.documents.manage")
    issued = await http.get("/api/security/csrf-token")
    return PropOpsJourney(house, http, issued.json()["data"]["token"])
