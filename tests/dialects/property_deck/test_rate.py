"""Sixty requests a minute for each user, and the headers that say so."""

from pathlib import Path

import httpx

from tests.dialects.property_deck.stage import PDF, Hand, staged


def told(response: httpx.Response) -> tuple[str, str, str]:
    headers = response.headers
    return headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"], headers["X-RateLimit-Reset"]


async def test_every_answer_to_a_known_caller_says_what_is_left(tmp_path: Path, hand: Hand) -> None:
    async with staged(tmp_path, rates={}, hand=hand) as stage:
        reset = str(hand.now // 1_000_000 + 60)
        contact = (await stage.http.get("/contacts")).headers
        assert (contact["X-RateLimit-Limit"], contact["X-RateLimit-Remaining"]) == ("60", "59")
        uuid = await stage.contact()
        made = await stage.upload(f"/contacts/{uuid}")
        answers = [
            await stage.http.get("/attachments"),
            await stage.http.get("/attachments?page=0"),
            await stage.http.get("/attachments/none"),
            await stage.http.get(made["download_url"]),
            await stage.http.get(made["stream_url"]),
            await stage.http.put(f"/attachments/{made['uuid']}", content=b"{"),
            await stage.http.delete(f"/attachments/{made['uuid']}"),
        ]
        assert [told(answer) for answer in answers] == [("60", str(56 - n), reset) for n in range(7)]
        assert not any("Retry-After" in answer.headers for answer in answers)


async def test_the_sixty_first_request_of_a_minute_is_refused(tmp_path: Path, hand: Hand) -> None:
    async with staged(tmp_path, rates={}, hand=hand) as stage:
        contact = await stage.contact()
        for _ in range(59):
            assert (await stage.http.get("/contacts")).status_code == 200
        hand.now += 20_000_000
        async with stage.unchanged():
            files = {"upload": ("a.pdf", PDF, "application/pdf")}
            refused = await stage.http.post(f"/contacts/{contact}/attachments", files=files)
        assert (refused.status_code, refused.json()) == (429, {"message": "Too Many Attempts."})
        assert told(refused)[:2] == ("60", "0")
        assert refused.headers["Retry-After"] == "40"
        hand.now += 40_000_000
        again = await stage.http.get("/contacts")
        assert (again.status_code, told(again)[1]) == (200, "59")


async def test_the_tokens_of_one_user_share_the_quota(tmp_path: Path, hand: Hand) -> None:
    async with staged(tmp_path, rates={}, hand=hand) as stage:
        await stage.user("ada@example.com")
        await stage.user("bob@example.com")
        one, two = await stage.session("ada@example.com"), await stage.session("ada@example.com")
        assert told(await one.get("/contacts"))[1] == "59"
        assert told(await two.get("/contacts"))[1] == "58"
        assert told(await (await stage.session("bob@example.com")).get("/contacts"))[1] == "59"
        assert told(await stage.http.get("/contacts"))[1] == "59"


async def test_the_operator_may_choose_another_rate_or_none(tmp_path: Path) -> None:
    async with staged(tmp_path / "a", rates={"property_deck": 2}) as stage:
        assert [(await stage.http.get("/contacts")).status_code for _ in range(3)] == [200, 200, 429]
    async with staged(tmp_path / "b") as stage:
        assert "X-RateLimit-Limit" not in (await stage.http.get("/contacts")).headers


async def test_strangers_are_told_nothing_and_use_up_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path, rates={"property_deck": 1}) as stage:
        stranger = stage.house.bare_client("nonsense")
        for _ in range(3):
            response = await stranger.get("/contacts")
            assert response.status_code == 401
            assert "X-RateLimit-Limit" not in response.headers
        assert (await stage.http.get("/contacts")).status_code == 200
