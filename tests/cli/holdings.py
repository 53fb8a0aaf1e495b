"""What a server gives out, to hold against what was put in."""

import hashlib

import httpx


def held_by(client: httpx.Client) -> dict[str, str]:
    """The digest of each attachment's bytes by its id, of all pages of the list."""
    found, cursor = {}, None
    while True:
        asked: dict[str, str | int] = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/attachments", params=asked).json()
        for each in page["items"]:
            answer = client.get(f"/v1/attachments/{each['id']}/content")
            assert answer.status_code == 200
            found[each["id"]] = hashlib.sha256(answer.content).hexdigest()
            assert found[each["id"]] == each["sha256"]
        cursor = page["next"]
        if not cursor:
            return found
