"""Pictures, bodies and clients that servers fall over: what each gets, and that the next is served.

Odd pictures that are pictures all the same are read; the rest is one clear line with its status.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from serving.pictures import rows_of
from serving.settings import Settings
from tests.serving.around import Conversation
from tests.serving.fakes import FakeSource

CLASSIFY, GENERATE = "/v1/classify", "/v1/images/generations"
JSON = {"Content-Type": "application/json"}
Encode = Callable[..., bytes]


@pytest.fixture
def client(request: pytest.FixtureRequest) -> TestClient:
    """The common one, but for tests that do something to the core or its models."""
    own = {"core", "source"} & set(request.fixturenames)
    made: TestClient = request.getfixturevalue("own_client" if own else "common_client")
    return made


@pytest.fixture(autouse=True)
def the_next_request_is_served(client: TestClient) -> Iterator[None]:
    """Whatever a test has sent, a good request right after it is answered."""
    yield
    answer = client.post(CLASSIFY, json={"model": "levels.grey", "image": [[120, 120]] * 2})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0][0]["label"] == "level 4"


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def grey(level: int, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new("L", size, level)


def chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png_of(width: int, height: int, *extra: bytes, rows: bytes | None = None) -> bytes:
    """A grey PNG of 8 bits, made by hand; its pixels need not be there."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000) if rows is None else rows))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body + chunk(b"IEND", b"")


def post(client: TestClient, content: bytes) -> httpx2.Response:
    body = {"model": "levels.grey", "image": base64.b64encode(content).decode()}
    return client.post(CLASSIFY, json=body)


def best(client: TestClient, content: bytes) -> str:
    answer = post(client, content)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["predictions"][0][0]["label"])


def refused(answer: httpx2.Response, status: int, words: str = "") -> None:
    """Checks that an answer is one clear line of a status."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert words in error["message"] and "\n" not in error["message"], error["message"]
    assert len(error["message"]) < 500


# Pictures that are odd, and what is read: `level` is mean brightness // 25.6.


def test_of_an_animation_the_first_frame_is_read(client: TestClient) -> None:
    frames = [grey(level).convert("RGB") for level in (30, 140, 240)]
    for kind in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        moving = encode(
            frames[0], kind, save_all=True, append_images=frames[1:], duration=40, **options
        )
        with Image.open(io.BytesIO(moving)) as opened:
            assert getattr(opened, "n_frames", 1) == 3
        assert best(client, moving) == "level 1", kind


def test_sixteen_bits_are_scaled_and_not_cut_off(client: TestClient) -> None:
    for level in (0, 0x4000, 0x8000, 0xFFFF):
        deep = Image.fromarray(np.full((8, 8), level, np.uint16))
        assert deep.mode.startswith("I")
        assert best(client, encode(deep)) == f"level {min(9, int(level / 257 / 25.6))}"


@pytest.mark.parametrize(
    ("mode", "colour", "level"),
    [
        ("CMYK", (0, 0, 0, 0), 9),
        ("CMYK", (0, 0, 0, 255), 0),
        ("L", 140, 5),
        ("RGB", (140, 140, 140), 5),
        ("YCbCr", (140, 128, 128), 5),
    ],
)
def test_jpegs_of_every_colour_space(
    client: TestClient, mode: str, colour: Any, level: int
) -> None:
    content = encode(Image.new(mode, (16, 16), colour), "JPEG", quality=95)
    assert best(client, content) == f"level {level}"


@pytest.mark.parametrize(
    ("mode", "colour", "level"),
    [
        ("RGBA", (255, 255, 255, 0), 0),
        ("RGBA", (255, 255, 255, 255), 9),
        ("RGBA", (255, 255, 255, 140), 5),
        ("LA", (255, 0), 0),
        ("1", 1, 9),
    ],
)
def test_what_is_transparent_lies_on_black(
    client: TestClient, mode: str, colour: Any, level: int
) -> None:
    assert best(client, encode(Image.new(mode, (8, 8), colour))) == f"level {level}"


def test_a_palette_with_a_transparent_colour(client: TestClient) -> None:
    picture = grey(200).convert("P")
    assert best(client, encode(picture)) == "level 7"
    assert best(client, encode(picture, transparency=picture.getpixel((0, 0)))) == "level 0"


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda pixels: pixels),
        (3, lambda pixels: np.rot90(pixels, 2)),
        (6, lambda pixels: np.rot90(pixels, -1)),
        (8, lambda pixels: np.rot90(pixels)),
    ],
)
def test_a_photograph_is_turned_as_its_tag_says(
    orientation: int, turned: Callable[[np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:4, :] = 90
    pixels[:, :4] += 120
    tags = Image.Exif()
    tags[0x0112] = orientation
    content = encode(Image.fromarray(pixels), "PNG", exif=tags)
    seen: list[np.ndarray] = []

    def watched(*arguments: Any) -> np.ndarray:
        seen.append(rows_of(*arguments))
        return seen[-1]

    monkeypatch.setattr("serving.core.rows_of", watched)
    core = Core(settings=Settings(access_log=False), source=FakeSource())
    with TestClient(create_app(core)) as client:
        assert post(client, content).status_code == 200
    np.testing.assert_array_equal(seen[0][0, ..., 0], turned(pixels))


# Pictures that are none.


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_pictures_that_end_too_soon(client: TestClient, kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode(Image.fromarray(noise), kind, **options)
    assert post(client, content).status_code == 200
    refused(post(client, content[: int(len(content) * share)]), 422, "image")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"words", "no PNG"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"\xff\xd8\xff", ""),
        (b"GIF89a", ""),
        (bytes(100), "no PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "no PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://a/b'/></svg>", "no PNG"),
        (b"%PDF-1.4\n", "no PNG"),
        (b"II*\x00\x08\x00\x00\x00", "no PNG"),
        (b"PK\x03\x04" + bytes(40), "no PNG"),
        (b"\x80\x04\x95" + bytes(40), "no PNG"),
    ],
)
def test_bytes_that_are_no_picture_or_one_whose_reader_starts_programs(
    client: TestClient, content: bytes, words: str
) -> None:
    refused(post(client, content), 422, words)


@pytest.mark.parametrize("size", [(4097, 4096), (30_000, 30_000), (2**31 - 1, 1), (1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    decoded = []
    with monkeypatch.context() as patch:
        patch.setattr("PIL.ImageFile.ImageFile.load", lambda self: decoded.append(self.size))
        refused(post(client, png_of(*size)), 422, "pixels")
    assert decoded == []


def test_a_bomb_in_the_text_of_a_picture_is_not_blown_up(client: TestClient) -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(64 * 2**20)))
    bomb = png_of(8, 8, text, rows=bytes(8 * 9))
    assert len(bomb) < 2**20
    tracemalloc.start()
    try:
        refused(post(client, bomb), 422)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


# Bodies.


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"\x00" * 1000, 400, "not JSON"),
        (b"[1]", 400, "a JSON object"),
        (b'"image"', 400, "a JSON object"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"image":' * 50_000, 400, "nested too deeply"),
        (b'{"image": ' + b"[" * 500 + b"1" + b"]" * 500 + b"}", 422, ""),
        (b'{"seed": ' + b"9" * 5000 + b"}", 400, "not JSON"),
        (b'{"image": NaN}', 422, "NaN"),
        (b'{"image": [[1, NaN]]}', 422, "NaN"),
        (b'{"image": [[1, -Infinity]]}', 422, "finite"),
        (b'{"model": "levels.grey", "image": [[1, 1e400]]}', 422, "finite"),
        (b'{"model": "levels.grey", "image": [[1, 1e200]]}', 422, "finite"),
        (b'{"\\ud800": 1}', 400, "not JSON"),
        (b'{"model": "\\ud800", "image": [[1]]}', 400, "not JSON"),
        (b'{"model": "levels.grey", "image": "\\u0000"}', 400, "not base64"),
        (b'{"model": "levels.grey", "image": "\xc3\xa4\xc3\xb6"}', 400, "not base64"),
    ],
)
def test_json_that_is_none_or_odd(
    client: TestClient, content: bytes, status: int, words: str
) -> None:
    refused(client.post(CLASSIFY, content=content, headers=JSON), status, words)


@pytest.mark.parametrize(
    "content",
    [
        b'{"guidance_scale": 1e400}',
        b'{"guidance_scale": NaN}',
        b'{"truncation": Infinity}',
        b'{"seed": 1e400}',
        b'{"n": 1e400}',
    ],
)
def test_numbers_without_end_are_no_options(client: TestClient, content: bytes) -> None:
    answer = client.post(GENERATE, content=content, headers=JSON)
    assert answer.status_code in (400, 422) and "\n" not in answer.json()["error"]["message"]


def test_long_bodies_with_and_without_a_length(client: TestClient, core: Core) -> None:
    limit = core.settings.max_body

    def stream(size: int) -> Iterator[bytes]:
        for _ in range(0, size, 2**20):
            yield b" " * 2**20

    declared = client.post(CLASSIFY, content=b" " * (limit + 1), headers=JSON)
    refused(declared, 413, str(limit))
    assert declared.headers["connection"] == "close"
    refused(client.post(CLASSIFY, content=stream(limit + 2**20), headers=JSON), 413, str(limit))
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    refused(client.post(CLASSIFY, content=stream(limit + 2**20), headers=form), 413)
    refused(client.post(CLASSIFY, content=stream(limit), headers=JSON), 400, "not JSON")
    for length in ("9" * 5000, str(limit + 1)):
        lying = client.post(CLASSIFY, content=b"{}", headers={**JSON, "Content-Length": length})
        refused(lying, 413)


@pytest.mark.parametrize("path", [CLASSIFY, GENERATE, "/v1/images/edits", "/v1/jobs"])
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "application/vnd.bentoml+pickle",
        "image/png",
        "application/jsonp",
        "",
        "; charset=utf-8",
    ],
)
def test_other_content_types(client: TestClient, path: str, kind: str) -> None:
    answer = client.post(path, content=b'{"image": [[1]]}', headers={"Content-Type": kind})
    refused(answer, 415)
    assert answer.json()["error"]["type"] == "unsupported_media_type"


@pytest.mark.parametrize("path", [CLASSIFY, GENERATE, "/v2/models/levels.grey/infer"])
def test_a_compressed_body_is_not_unpacked(client: TestClient, path: str) -> None:
    bomb = zlib.compress(b" " * 2**20)
    answer = client.post(path, content=bomb, headers={**JSON, "Content-Encoding": "deflate"})
    assert answer.status_code == 415, answer.text


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("content", [b"", b"no parts", b"--x\r\n", b"--x\r\n\r\n" * 5000])
def test_forms_that_are_none(client: TestClient, kind: str, content: bytes) -> None:
    refused(client.post(CLASSIFY, content=content, headers={"Content-Type": kind}), 400)


def test_a_form_of_very_many_fields(client: TestClient) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    refused(client.post(CLASSIFY, content=part * 5000 + b"--x--\r\n", headers=headers), 400)


# Clients.


def hurried_app(**limits: Any) -> tuple[Core, Any]:
    settings = Settings(access_log=False, body_seconds=0.3, **limits)
    core = Core(settings=settings, source=FakeSource())
    core.ready = True
    return core, create_app(core)


def test_a_client_that_sends_slowly_is_given_up_in_time() -> None:
    core, app = hurried_app()
    field = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n'
    for kind, begun in (
        (b"application/json", b'{"model": "levels.grey", '),
        (b"multipart/form-data; boundary=x", field),
    ):
        slow = [(begun, 0.0), (b"and the rest", 30.0)]
        talk = Conversation(app, CLASSIFY, slow, [(b"content-type", kind)])
        asyncio.run(asyncio.wait_for(talk.run(), 10))
        assert talk.status == 408 and talk.headers[b"connection"] == b"close"
        assert json.loads(talk.text)["error"]["type"] == "request_timeout"
    core.close()


def test_a_client_that_leaves_while_it_sends_is_no_fault_of_the_server(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": CLASSIFY,
        "headers": [(b"content-type", b"application/json")],
        "query_string": b"",
    }
    asyncio.run(create_app(core)(scope, receive, send))
    assert sent[0]["status"] == 499
    assert "Traceback" not in caplog.text


def test_many_at_once_are_answered_or_told_when_to_return(
    client: TestClient, source: FakeSource
) -> None:
    body = {"model": "levels.grey", "images": [[[200, 200]] * 2] * 2}
    assert client.post(CLASSIFY, json=body).status_code == 200
    answers: list[httpx2.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.post(CLASSIFY, json=body)))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 40
    for answer in answers:
        if answer.status_code == 200:
            tops = [labels[0]["label"] for labels in answer.json()["predictions"]]
            assert tops == ["level 7", "level 7"]
        else:
            refused(answer, 503, "busy")
            assert int(answer.headers["retry-after"]) >= 1
