from collections.abc import Callable

import pytest

from holdfast.app import Options, build
from tests.web.asgi import Client
from tests.web.toy import TOY, VENDOR, Store

Make = Callable[..., Client]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def make(store: Store) -> Make:
    def make_client(options: Options | None = None, token: str | None = "token-ada") -> Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return Client(build(store, [TOY, VENDOR], options), headers)

    return make_client


@pytest.fixture
def client(make: Make) -> Client:
    return make()
