"""Every URL at which an API lets stored bytes out, for proofs that must hold for all of them.

The uploads go to the records of the demo account, through the API whose URLs are then asked. A route that gives
bytes and is missing here fails a test in `tests/browser/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from holdfast.cli import demo

SETTINGS = {
    "HOLDFAST_PROPERTY_DECK_RATE_LIMIT": "0",
    "HOLDFAST_PROPOPS_RATE_LIMIT": "0",
    "HOLDFAST_PROPOPS_DISPOSITION": "inline",
    "HOLDFAST_ACCESS_LOG": "false",
}
"""For a server that shows all it can be asked to show, as often as it is asked."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as a client sends it: the type is its claim."""

    name: str
    media_type: str
    content: bytes

    @property
    def part(self) -> tuple[str, bytes, str]:
        return self.name, self.content, self.media_type


Urls = Mapping[str, tuple[str, ...]]
"""The URLs of one stored file, by the template of their route."""

Upload = Callable[[httpx.Client, Sent], Urls]


def uploads() -> dict[str, Upload]:
    """How to store a file through each API, by its name."""
    return {
        "native": _native,
        "propops": _propops,
        "property_deck": _property_deck,
        "case_iq": _case_iq,
        "four_hse": _four_hse,
        "navarik": _navarik,
    }


def _checked(response: httpx.Response) -> httpx.Response:
    assert response.is_success, f"{response.request.url} answered {response.status_code}: {response.text[:500]}"
    return response


def _native(client: httpx.Client, sent: Sent) -> Urls:
    data = {"record": str(demo.ADA), "path": "/active/", "on_conflict": "rename"}
    stored = _checked(client.post("/v1/attachments", data=data, files={"file": sent.part})).json()
    path = f"/v1/attachments/{stored['id']}"
    _checked(client.put(f"{path}/content", files={"file": sent.part}))
    return {
        "/v1/attachments/{id}/content": (f"{path}/content", f"{path}/content?disposition=inline"),
        "/v1/attachments/{id}/versions/{number}/content": (
            f"{path}/versions/1/content",
            f"{path}/versions/1/content?disposition=inline",
        ),
    }


def _propops(client: httpx.Client, sent: Sent) -> Urls:
    token = _checked(client.get("/api/security/csrf-token")).json()["data"]["token"]
    form = {"csrf_token": token, "action": "upload", "job_uuid": demo.BOILER.id}
    answer = _checked(client.post("/api/jobs/documents", data=form, files={"file": sent.part}))
    uuid = answer.json()["data"]["uuid"]
    form = {"csrf_token": token, "action": "upload", "branch_id": demo.BRANCH.id}
    answer = _checked(client.post("/api/agents/documents", data=form, files={"file": sent.part}))
    of_branch = answer.json()["data"]["uuid"]
    branch = f"document_uuid={of_branch}&branch_id={demo.BRANCH.id}"
    return {
        "/attachment/{uuid}": (f"/attachment/{uuid}",),
        "/attachment/{uuid}/thumbnail": (f"/attachment/{uuid}/thumbnail",),
        "/api/jobs/document-thumbnail": (f"/api/jobs/document-thumbnail?document_uuid={uuid}",),
        "/api/agents/document-thumbnail": (f"/api/agents/document-thumbnail?{branch}",),
    }


def _property_deck(client: httpx.Client, sent: Sent) -> Urls:
    answer = _checked(client.post(f"/contacts/{demo.ADA.id}/attachments", files={"upload": sent.part}))
    path = f"/attachments/{answer.json()['data']['uuid']}"
    return {
        "/attachments/{uuid}/download": (f"{path}/download",),
        "/attachments/{uuid}/stream": (f"{path}/stream",),
    }


def _case_iq(client: httpx.Client, sent: Sent) -> Urls:
    case = _checked(client.post("/api-public/1.0/case", json={"caseType": "Safety"})).json()["id"]
    answer = _checked(client.post("/api-public/1.0/save_file", data={"caseId": case}, files={"file": sent.part}))
    path = f"/api-public/1.0/attachment/{answer.json()['id']}/attachment"
    return {"/api-public/1.0/attachment/{id}/attachment": (path,)}


def _four_hse(client: httpx.Client, sent: Sent) -> Urls:
    folder = quote(f"/projects/{demo.PROJECT.id}", safe="")
    data = {"path": sent.name, "replace": "1"}
    answer = _checked(client.post(f"/v2/attachment/{folder}", data=data, files={"file": sent.part}))
    path = f"/v2/attachment/view/{answer.json()['attachment_id']}"
    return {"/v2/attachment/{rest:path}": (path, f"{path}?mode=inline")}


def _navarik(client: httpx.Client, sent: Sent) -> Urls:
    path = f"/v2/workspaces/{demo.WORKSPACE.id}/documents/{demo.DOCUMENT.id}/attachments"
    content = f"{path}/{_checked(client.post(path, files={'file': sent.part})).json()['id']}/content"
    template = "/v2/workspaces/{workspace_id}/documents/{document_id}/attachments/{attachment_id}/content"
    return {template: (content,), f"/bridge{template}": (f"/bridge{content}",)}
