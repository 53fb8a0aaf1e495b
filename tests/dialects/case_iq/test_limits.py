"""Case IQ's own limits: 50 MB a file, 1000 files a case, both the operator's choice (contract section 3)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.app import Options
from holdfast.dialects.case_iq import CASE_IQ
from tests.dialects.case_iq.harness import NOWHERE, CaseIq, File, check_error
from tests.installation import Installation, installed


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Installation]:
    options = Options(choices={"case_iq": {"upload_limit": 1000, "files_per_case": 2}})
    async with installed(tmp_path, options) as installation:
        yield installation


def test_the_defaults_are_the_documented_ones() -> None:
    assert CASE_IQ.choices["upload_limit"] == 50_000_000
    assert CASE_IQ.choices["files_per_case"] == 1000


async def test_a_file_of_exactly_the_limit_goes_and_one_byte_more_does_not(narrow: Installation) -> None:
    iq = CaseIq(await narrow.client())
    case = await iq.case()
    assert (await iq.file(case, data=b"x" * 1000))["sizeBytes"] == 1000
    before = await (await narrow.desk()).usage()
    refused = await iq.save(("caseId", case), ("file", File("big", b"x" * 1001)))
    check_error(refused, 400, "The file is larger than the limit of 1000 bytes")
    assert await (await narrow.desk()).usage() == before


async def test_a_body_far_beyond_the_limit_is_refused_with_the_same_words(narrow: Installation) -> None:
    iq = CaseIq(await narrow.client())
    case = await iq.case()
    refused = await iq.save(("caseId", case), ("file", File("huge", b"x" * 6_000_000)))
    check_error(refused, 400, "The file is larger than the limit of 1000 bytes")


async def test_the_accounts_own_limit_counts_when_it_is_narrower(narrow: Installation) -> None:
    iq = CaseIq(await narrow.client())
    case = await iq.case()
    await narrow.operator.accounts.configure("acme", {"max_file_bytes": 10})
    refused = await iq.save(("caseId", case), ("file", File("big", b"x" * 11)))
    check_error(refused, 400, "The file is larger than the limit of 10 bytes")


async def test_a_case_takes_so_many_files_and_no_more(narrow: Installation) -> None:
    iq = CaseIq(await narrow.client())
    full, roomy = await iq.case(), await iq.case()
    for name in ("one", "two"):
        await iq.file(full, name)
    before = await (await narrow.desk()).usage()
    check_error(await iq.save(("caseId", full), ("file", File("three"))), 400, "A case holds at most 2 files")
    assert await (await narrow.desk()).usage() == before
    await iq.file(roomy, "three")


async def test_a_type_that_the_account_refuses_is_a_bad_request(narrow: Installation) -> None:
    iq = CaseIq(await narrow.client())
    case = await iq.case()
    await narrow.operator.accounts.configure("acme", {"allowed_types": ("application/pdf",)})
    refused = await iq.save(("caseId", case), ("file", File("a.txt", b"text")))
    check_error(refused, 400, "Files of type text/plain are not accepted here")


async def test_a_full_account_is_a_bad_request(narrow: Installation) -> None:
    iq = CaseIq(await narrow.client())
    case = await iq.case()
    await narrow.operator.accounts.configure("acme", {"quota_bytes": 3})
    check_error(await iq.save(("caseId", case), ("file", File("a.txt", b"text"))), 400)


async def test_with_open_records_a_case_is_made_on_first_use_and_any_tag_goes(tmp_path: Path) -> None:
    async with installed(tmp_path, records="open") as house:
        iq = CaseIq(await house.client())
        saved = await iq.save(("caseId", NOWHERE), ("bulkTags[]", "new"), ("file", File("a.txt")))
        assert (saved.json()["caseId"], saved.json()["bulkTags"]) == (NOWHERE, ["new"])
        assert (await iq.get(f"/case/{NOWHERE}")).json()["caseNumber"].endswith("-001")
