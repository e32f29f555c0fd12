"""Images that wait to be decoded do not pile up without bound."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving.fakes import FakeSource


def test_requests_beyond_the_limit_are_busy_and_the_others_are_answered() -> None:
    core = Core(settings=Settings(max_decoding=2, decoders=1), source=FakeSource())
    held = threading.Event()
    entered = threading.Semaphore(0)
    decode = core._rows

    def slow(*arguments):  # type: ignore[no-untyped-def]
        entered.release()
        assert held.wait(20)
        return decode(*arguments)

    core._rows = slow  # type: ignore[method-assign]
    with TestClient(create_app(core)) as client, ThreadPoolExecutor(2) as pool:
        body = {"model": "levels.grey", "images": [[[0] * 8] * 8]}

        def post() -> int:
            return client.post("/v1/classify", json=body).status_code

        waiting = [pool.submit(post) for _ in range(2)]
        assert entered.acquire(timeout=20)
        while core._decoding < 2:
            held.wait(0.01)
        refused = client.post("/v1/classify", json=body)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["error"]["type"] == "busy"
        held.set()
        assert [answer.result(20) for answer in waiting] == [200, 200]
