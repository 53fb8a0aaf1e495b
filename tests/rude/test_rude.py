"""Clients that stall, trickle and hang up cost the server nothing that lasts, and the good client nothing it notices.

The run of every day; `make rude` does it with 3,000 stalled uploads, 500 slow readers and 10,000 cut uploads.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.contents import SETTINGS
from tests.rude.clients import many_descriptors
from tests.rude.house import OWN
from tests.rude.scenes import crowded, cut_off, figures
from tests.serving import Served, served

SLACK = 1.10
"""How far memory may stand above where it stood after the same crowd had come once before."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with many_descriptors(4096), served(tmp_path_factory.mktemp("rude") / "data", "--demo", settings=SETTINGS) as found:
        yield found


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client(server.token(account="demo")) as opened:
        yield opened


async def test_a_crowd_that_stalls_is_shown_out_and_nobody_else_notices(server: Served, client: httpx.Client) -> None:
    first = await crowded(server, client, 300, 50)
    again = await crowded(server, client, 300, 50)
    for ending in (first, again):
        assert ending.good.failures == []
        assert ending.good.succeeded >= 100
        assert (ending.closed, ending.answers) == (300, {"408": 300})
        assert ending.after.files <= ending.before.files
    # The first time, readers of the catalog and the child that decodes come to stay.
    assert again.after.descriptors <= again.before.descriptors + OWN
    assert again.after.resident <= first.after.resident * SLACK


async def test_uploads_that_are_cut_leave_nothing(server: Served, client: httpx.Client) -> None:
    _, first, _ = await cut_off(server, client, 250, seed=1)
    held = figures(client)
    before, after, begun = await cut_off(server, client, 250, seed=2)
    assert begun > 200
    assert after.descriptors <= before.descriptors + OWN
    assert after.files <= before.files
    assert after.resident <= first.resident * SLACK
    assert figures(client) == held
