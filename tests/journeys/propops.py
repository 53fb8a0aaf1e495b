"""The story in PropOps' API."""

from collections.abc import Mapping

import httpx

from holdfast.core.links import Hook
from holdfast.core.model import RecordRef
from tests.installation import Installation
from tests.journeys.journey import File, Home, Journey

DOCUMENTS = "/api/jobs/documents"


class PropOpsJourney:
    """A job and its documents; the operator links the file to a case note, for which this API has no call."""

    def __init__(self, house: Installation, http: httpx.AsyncClient, csrf: str) -> None:
        self._house = house
        self._http = http
        self._csrf = csrf
        self._job = ""

    async def make_parent(self) -> Home:
        response = await self._http.post("/api/jobs/manage", json={"job_title": "Boiler", "csrf_token": self._csrf})
        assert response.status_code == 200
        self._job = str(response.json()["data"]["uuid"])
        return RecordRef("job", self._job)

    async def _sent(self, fields: Mapping[str, str], file: File | None = None) -> httpx.Response:
        files = None if file is None else {"file": (file.name, file.content, file.media_type)}
        form = {"job_uuid": self._job, "csrf_token": self._csrf, **fields}
        return await self._http.post(DOCUMENTS, data=form, files=files)

    async def upload(self, file: File) -> str:
        response = await self._sent({"action": "upload"}, file)
        assert response.status_code == 200
        return str(response.json()["data"]["uuid"])

    async def core_id(self, handle: str) -> str:
        return handle

    async def listed(self) -> list[str]:
        response = await self._http.get(DOCUMENTS, params={"action": "list", "job_uuid": self._job})
        assert response.status_code == 200
        return [item["uuid"] for item in response.json()["data"]]

    async def describe(self, handle: str) -> Mapping[str, object]:
        return {}

    async def download(self, handle: str) -> bytes:
        response = await self._http.get(f"/attachment/{handle}")
        assert response.status_code == 200
        return response.content

    async def carry(self, handle: str) -> tuple[str, Home]:
        told = {"job_uuid": self._job, "note_text": "See attached", "csrf_token": self._csrf}
        response = await self._http.post("/api/jobs/case-notes", json=told)
        note = RecordRef("case_note", str(response.json()["note_uuid"]))
        await (await self._house.desk()).links.hang(handle, Hook(note))
        listed = await self._http.get("/api/jobs/case-note-attachments", params={"case_note_uuid": note.id})
        assert [item["uuid"] for item in listed.json()["data"]] == [handle]
        return handle, note

    async def delete(self, handle: str) -> None:
        response = await self._sent({"action": "delete", "document_uuid": handle})
        assert response.status_code == 200

    async def is_gone(self, handle: str) -> bool:
        answers = [
            await self._http.get(f"/attachment/{handle}"),
            await self._http.get(f"/attachment/{handle}/thumbnail"),
            await self._http.get("/api/jobs/document-thumbnail", params={"document_uuid": handle}),
            await self._sent({"action": "delete", "document_uuid": handle}),
        ]
        return {answer.status_code for answer in answers} == {404}


async def journey(house: Installation) -> Journey:
    """Begin with a token that has the vendor's own keys."""
    sources = ("documents", "case-note-attachments", "case-notes")
    http = await house.client(
        "api.system.attachment.view",
        "api.jobs.manage.manage",
        "api.jobs.document_thumbnail.view",
        *(f"api.jobs.{source}.manage" for source in sources),
    )
    issued = await http.get("/api/security/csrf-token")
    return PropOpsJourney(house, http, issued.json()["data"]["token"])
