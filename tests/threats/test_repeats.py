"""No read of any API depends on more than what is asked, who asks and what is stored: its answer may be given again."""

import pytest

from tests.authorization.matrix import Exercise, exercises
from tests.installation import idle
from tests.threats.conftest import Target
from tests.threats.test_requests import VARYING

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPEATABLE = [each for each in exercises() if each.method == "GET" and not each.writes and not each.route.fresh]


@pytest.mark.parametrize("exercise", REPEATABLE, ids=lambda exercise: exercise.label)
async def test_an_answer_that_is_made_anew_is_the_one_that_was_kept(target: Target, exercise: Exercise) -> None:
    store = target.house.store
    first = await target.ask(exercise)
    await idle(store)
    before = store.stamp()
    kept = await target.ask(exercise)
    assert store.stamp() == before
    await store.counts.take(["repeats"], None, 2**60, 1)
    assert store.stamp() != before
    anew = await target.ask(exercise)
    for answer in (kept, anew):
        assert (answer.status, answer.body) == (first.status, first.body)
        seen, wanted = (sorted(pair for pair in each.raw_headers if pair[0] not in VARYING) for each in (answer, first))
        assert seen == wanted
