"""Keys: who is let in, what is open to all, and that no key is ever shown."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from serving.errors import ForbiddenError, UnauthorizedError
from serving.keys import check_admin
from serving.settings import Settings
from tests.serving.around import client_of, scope_of
from tests.serving.fakes import FakeSource
from zoo.errors import InvalidInputError

FIRST, SECOND, ADMIN = "first-key-of-many-characters", "second-key-of-many", "the-admin-key-of-all"
KEYED = Settings(keys=(FIRST, SECOND), admin_key=ADMIN)


def ask(
    client: TestClient, authorization: str | None, path: str = "/v1/things/a"
) -> httpx2.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.post(path, content=b"abc", headers=headers)


def test_without_keys_nobody_is_asked() -> None:
    client = client_of(Settings(admin_key=ADMIN))
    assert ask(client, None).json() == {"length": 3}
    assert ask(client, "Bearer whatever").status_code == 200


@pytest.mark.parametrize("key", [FIRST, SECOND, ADMIN])
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "Bearer  {} "])
def test_every_key_opens(key: str, form: str) -> None:
    assert ask(client_of(KEYED), form.format(key)).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        FIRST,
        f"Basic {FIRST}",
        f"Bearer {FIRST[:-1]}",
        f"Bearer {FIRST}x",
        f"Bearer {FIRST} {SECOND}",
        f"Bearer {FIRST.upper()}",
        "Bearer " + "x" * 4000,
    ],
)
def test_everybody_else_is_told_how_to_ask(authorization: str | None) -> None:
    answer = ask(client_of(KEYED), authorization)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    error = answer.json()["error"]
    assert error["type"] == "unauthorized" and "key" in error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]


def test_a_foreign_protocol_has_its_own_shape() -> None:
    answer = ask(client_of(KEYED), None, "/v2/models/toy/infer")
    assert answer.status_code == 401
    assert set(answer.json()) == {"error"} and isinstance(answer.json()["error"], str)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_stranger_is_refused_before_the_body_is_looked_at() -> None:
    limits = Settings(keys=(FIRST,), max_body=2)
    assert ask(client_of(limits), None).status_code == 401
    assert ask(client_of(limits), f"Bearer {FIRST}").status_code == 413


def test_a_key_is_compared_with_all_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    compare: Callable[[bytes, bytes], bool] = hmac.compare_digest

    def counted(given: bytes, known: bytes) -> bool:
        compared.append((len(given), len(known)))
        return compare(given, known)

    client = client_of(KEYED)
    monkeypatch.setattr("serving.keys.hmac.compare_digest", counted)
    for key in (FIRST, SECOND, ADMIN, "no", FIRST[:5]):
        compared.clear()
        ask(client, f"Bearer {key}")
        # Of one length, or the time would tell that of a key.
        assert compared == [(32, 32)] * 3


def test_no_key_is_ever_shown(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(KEYED)
    answers = [
        ask(client, f"Bearer {key}") for key in (FIRST, ADMIN, "wrong-key-but-mine-all-same")
    ]
    answers.append(ask(client, f"Bearer {FIRST}", "/secret"))
    shown = "".join(answer.text + str(answer.headers) for answer in answers)
    captured = capfd.readouterr()
    shown += captured.out + captured.err + caplog.text + repr(KEYED)
    for key in (FIRST, SECOND, ADMIN, "wrong-key-but-mine-all-same"):
        assert key not in shown


def test_of_the_real_app_probes_metrics_and_pages_are_open_and_the_rest_is_not() -> None:
    core = Core(settings=KEYED, source=FakeSource())
    with TestClient(create_app(core), raise_server_exceptions=False) as client:
        open_paths = ("/livez", "/readyz", "/metrics", "/", "/docs", "/openapi.json")
        for path in (*open_paths, "/static/app.js", "/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200, path
        closed = ("/v1/models", "/v1/models/levels.grey", "/v1/jobs", "/v2", "/nothing", "/static")
        for path in (*closed, "/static.js", "/v2/models/levels.grey", "/livez/"):
            assert client.get(path).status_code == 401, path
        for path in ("/v1/classify", "/v1/images/generations", "/v1/images/edits", "/v1/jobs"):
            assert client.post(path, json={}).status_code == 401, path
        allowed = {"Authorization": f"Bearer {SECOND}"}
        assert client.get("/v1/models", headers=allowed).status_code == 200


def test_what_administers_takes_the_admin_key() -> None:
    path = "/v1/admin/models/levels.grey/load"

    def status(settings: Settings, key: str | None) -> int:
        core = Core(settings=settings, source=FakeSource())
        with TestClient(create_app(core), raise_server_exceptions=False) as client:
            return ask(client, None if key is None else f"Bearer {key}", path).status_code

    assert status(Settings(), None) == 403
    assert status(Settings(keys=(FIRST,)), FIRST) == 403
    assert status(Settings(admin_key=ADMIN), None) == 401
    assert status(KEYED, None) == 401
    assert status(KEYED, FIRST) == 403
    assert status(KEYED, ADMIN) == 200
    assert status(Settings(admin_key=ADMIN), ADMIN) == 200


def test_who_may_not_administer_is_told_why() -> None:
    def request(key: str | None) -> Request:
        headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
        return Request(scope_of("/", headers=headers))

    with pytest.raises(ForbiddenError, match="ZOO_SERVE_ADMIN_KEY"):
        check_admin(request(FIRST), Settings(keys=(FIRST,)))
    with pytest.raises(UnauthorizedError, match="admin key"):
        check_admin(request(None), KEYED)
    with pytest.raises(ForbiddenError, match="another one came"):
        check_admin(request(FIRST), KEYED)
    check_admin(request(ADMIN), KEYED)


def test_keys_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    keys, admin = tmp_path / "keys.txt", tmp_path / "admin.txt"
    keys.write_text(f"# of the team\n{FIRST}\n\n  {SECOND}  \n")
    admin.write_text(f"{ADMIN}\n")
    files = {"ZOO_SERVE_KEY_FILE": str(keys), "ZOO_SERVE_ADMIN_KEY_FILE": str(admin)}
    read = Settings.from_environment(files)
    assert read.keys == (FIRST, SECOND) and read.admin_key == ADMIN
    both = Settings.from_environment({"ZOO_SERVE_KEYS": f"{SECOND} another-key-of-mine", **files})
    assert both.keys == (SECOND, "another-key-of-mine", FIRST)
    assert Settings.from_environment({"ZOO_SERVE_ADMIN_KEY": ADMIN}).admin_key == ADMIN
    assert (
        Settings.from_environment({"ZOO_SERVE_KEYS": "", "ZOO_SERVE_ADMIN_KEY": ""}) == Settings()
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no key"),
        (b"# nothing\n\n", "holds no key"),
        (b"short\n", "16 to 512"),
        (b"a key of several words\n", "one word"),
        ("ein-schlüssel-mit-umlaut".encode(), "not ASCII"),
        (None, "cannot read"),
    ],
)
def test_a_file_without_good_keys_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "keys.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=words) as caught:
        Settings.from_environment({"ZOO_SERVE_KEY_FILE": str(path)})
    assert "several words" not in str(caught.value) and "\n" not in str(caught.value)
