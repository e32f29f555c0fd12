"""Load over HTTP/1.1: clients that wait for their answers, and arrivals that wait for nobody.

It runs on the cores of the server that it measures, so it does little: what is sent was made
beforehand, connections stay open, and an answer is kept as it came.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import math
import time
from collections.abc import Mapping, Sequence

import numpy as np

# Of the requests of an open loop so many may come late, as MLPerf's server scenario has it.
LATE_SHARE = 0.01


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer as it came.

    Args:
        status: Of HTTP.
        head: The lines before the body.
        body: What follows them.
    """

    status: int
    head: bytes
    body: bytes = b""

    def header(self, name: str) -> str:
        """Returns the value of a header, an empty text where there is none."""
        wanted = name.lower().encode()
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == wanted:
                return value.strip().decode("latin-1")
        return ""

    def require_ok(self) -> None:
        """Raises RuntimeError for another status than 200."""
        if self.status != 200:
            raise RuntimeError(f"expected an answer 200, got {self.status}: {self.body[:200]!r}")


def message(
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> bytes:
    """Returns a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Connection:
    """A connection to a port of this machine, kept open between requests.

    It is made at the first request, and anew where the server has closed it meanwhile.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Sends a request, as `message` makes it, and waits for its answer.

        Raises:
            OSError: when the server cannot be reached, or breaks off before the answer is whole.
        """
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        whole = False
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            answer = Answer(int(head[9:12]), head)
            answer = dataclasses.replace(answer, body=await _body(reader, answer))
            whole = True
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(
                "the server broke off before the answer was whole"
            ) from error
        finally:
            # What is left of an answer would be taken for the next one.
            if not whole:
                self.close()
        return answer

    def close(self) -> None:
        """Closes it; `ask` opens it again."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def _body(reader: asyncio.StreamReader, answer: Answer) -> bytes:
    if answer.header("transfer-encoding").lower() != "chunked":
        return await reader.readexactly(int(answer.header("content-length") or 0))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


async def ask(port: int, request: bytes) -> Answer:
    """Sends one request over a connection of its own."""
    connection = Connection(port)
    try:
        return await connection.ask(request)
    finally:
        connection.close()


async def closed_loop(
    port: int, requests: Sequence[bytes], clients: int, seconds: float
) -> tuple[list[float], float]:
    """Has clients ask, each again as soon as it was answered, until the time is over.

    Args:
        port: Of the server, on this machine.
        requests: What is asked, in turn.
        clients: How many ask at a time, each over a connection of its own.
        seconds: For how long they begin requests; each asks once at least.

    Returns:
        Seconds that each answer took, and seconds from the first request to the last answer.

    Raises:
        RuntimeError: for an answer that is no 200.
        OSError: as for `Connection.ask`.
    """
    turn = itertools.cycle(requests)
    took: list[float] = []
    began = time.perf_counter()

    async def client() -> None:
        connection = Connection(port)
        try:
            asked = began
            while True:
                answer = await connection.ask(next(turn))
                answered = time.perf_counter()
                answer.require_ok()
                took.append(answered - asked)
                asked = answered
                if asked - began >= seconds:
                    return
        finally:
            connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return took, time.perf_counter() - began


async def open_loop(
    port: int,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    bound: float,
    seed: int = 0,
) -> list[float]:
    """Sends requests at times of a Poisson process, whether or not earlier ones were answered.

    An answer's time counts from the moment when its request was due, so that a client that falls
    behind hides nothing. It is given up as soon as more than 1% have come late.

    Args:
        port: Of the server, on this machine.
        requests: What is asked, in turn.
        rate: Requests a second.
        seconds: For how long.
        bound: Seconds after which an answer is late.
        seed: Of the times.

    Returns:
        Seconds of each request; infinite for one that was refused, broken off, never sent, or not
        answered when the last one that was sent became late.
    """
    count = max(1, round(rate * seconds))
    dues = np.random.default_rng(seed).exponential(1 / rate, count).cumsum().tolist()
    took = [math.inf] * count
    idle: list[Connection] = []
    made: list[Connection] = []
    clock = asyncio.get_running_loop().time
    began = clock()

    async def send(index: int) -> None:
        if idle:
            connection = idle.pop()
        else:
            connection = Connection(port)
            made.append(connection)
        try:
            answer = await connection.ask(requests[index % len(requests)])
        except OSError:
            answer = Answer(0, b"")
        idle.append(connection)
        if answer.status == 200:
            took[index] = clock() - began - dues[index]

    sent: list[asyncio.Task[None]] = []
    judged = late = 0
    for index, due in enumerate(dues):
        await asyncio.sleep(max(0.0, began + due - clock()))
        sent.append(asyncio.create_task(send(index)))
        # Those that are due for longer than the bound are late, answered since or not.
        while judged < index and dues[judged] < clock() - began - bound:
            late += took[judged] > bound
            judged += 1
        if late > LATE_SHARE * count:
            break
    else:
        await asyncio.wait(sent, timeout=bound)
    for task in sent:
        task.cancel()
    for outcome in await asyncio.gather(*sent, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    for connection in made:
        connection.close()
    return took


def keeps(took: Sequence[float], bound: float) -> bool:
    """Returns whether 99% of the answers of an open loop came within a bound, in seconds."""
    return sum(seconds > bound for seconds in took) <= LATE_SHARE * len(took)
