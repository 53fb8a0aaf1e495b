from collections.abc import Callable
from typing import cast

import pytest

from holdfast.app import Options, build
from holdfast.core.store import Store as CoreStore
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
        return Client(build(cast(CoreStore, store), [TOY, VENDOR], options), headers)

    return make_client


@pytest.fixture
def client(make: Make) -> Client:
    return make()
