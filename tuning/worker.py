"""A worker: trains what a chief gives it, until the search is over."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import grpc
import keras_tuner
from keras_tuner.engine import trial as trials
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_client

from tuning import folder
from tuning.chief import MESSAGE_BYTES, METHOD, SERVICE, to_bytes
from tuning.orders import Answer, Outcome
from tuning.plan import FACTORY
from tuning.trial_process import TrialProcess
from tuning.tuner import RecipeTuner
from zoo import data
from zoo.backend import backend_name
from zoo.errors import RecipeError, ZooError

# Seconds between two signs of life, and that they may take.
BEAT = 5.0
_SHORT_CALL = 5.0
# Seconds that other calls may take: a Bayesian oracle thinks for some.
_CALL = 300.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
# What does not pass by itself, as a chief does that is not there yet or is being begun anew.
_FINAL = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
)

_log = logging.getLogger(__name__)

Given = TypeVar("Given")


def work(
    name: str,
    address: str,
    *,
    patience: float = 600,
    worker: str | None = None,
    say: Callable[[str], None] = print,
    bar: bool = False,
) -> None:
    """Trains the trials of a search whose chief is elsewhere, until none are left.

    Trials are kept in this machine's `$ZOO_HOME/tuning`. Where that is a folder that all workers
    share, a trial whose worker died goes on from its checkpoint; else it begins anew.

    Args:
        name: The recipe whose search it is.
        address: "HOST:PORT" of the chief. It need not be there yet.
        patience: Seconds without the chief after which the worker gives up.
        worker: The worker's name, which no other has; by default one is made.
        say: Takes each line of progress.
        bar: Show Keras' progress bar.

    Raises:
        ZooError: when the chief is not to be reached, is that of another search, or when something
            is wrong with this machine, such as a full disk.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ZooError(f"--chief must be HOST:PORT, got {address!r}")
    if worker is None:
        # KerasTuner takes a worker with this word in its name for the chief.
        machine = socket.gethostname().replace("chief", "c")[:40]
        worker = f"{machine}-{uuid.uuid4().hex[:6]}"
    with (
        _environment(host, port, worker),
        contextlib.closing(ChiefDesk(worker, patience, say)) as desk,
    ):
        settings = desk.settings()
        if settings["name"] != name:
            raise RecipeError(f"the chief at {address} searches {settings['name']}, not {name}")
        for one in data.sets_of(settings["options"]["base"]["data"]["name"]):
            data.require(one)
        say(f"worker {worker} works for the {settings['algorithm']} search of {name}")
        options = {**settings["options"], "verbose": int(bar)}
        trainer = TrialProcess(FACTORY, options, show=bar)
        own = folder.place(name, settings["algorithm"])
        own.mkdir(parents=True, exist_ok=True)
        objective = keras_tuner.Objective(*settings["objective"])
        backend = settings["options"]["base"]["backend"] or backend_name()
        # It stands for the chief's, of which KerasTuner's tuner makes itself a client.
        oracle = keras_tuner.Oracle(objective, hyperparameters=keras_tuner.HyperParameters())
        try:
            # What is missing here is no fault of the trials.
            trainer.check(settings["options"]["base"])
            RecipeTuner(oracle, desk, trainer, own, worker, backend).search()
        finally:
            trainer.close()
        say("the search is over")


class ChiefDesk(oracle_client.OracleClient):
    """KerasTuner's client of a chief, which goes on when the chief was away for a while.

    Args:
        worker: The worker's name.
        patience: Seconds without the chief after which it gives up.
        say: Takes lines for whoever watches.
    """

    def __init__(self, worker: str, patience: float, say: Callable[[str], None]) -> None:
        super().__init__(None)
        self.worker = worker
        self.patience = patience
        self.say = say
        options = [
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            # A chief that comes back is found soon, one whose machine is gone is missed.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.keepalive_time_ms", 60_000),
            # A proxy for the web knows no way to a worker's neighbour.
            ("grpc.enable_http_proxy", 0),
        ]
        ip, port = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
        self.address = f"{ip}:{port}"
        self._channel = grpc.insecure_channel(self.address, options=options)
        self.stub = protos.get_service_grpc().OracleStub(self._channel)
        self._tell = self._channel.unary_unary(
            f"/{SERVICE}/{METHOD}", request_serializer=to_bytes, response_deserializer=json.loads
        )
        self._search: str | None = None
        self._left = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def settings(self) -> dict[str, Any]:
        """Returns what a worker must know of the search; from then on it works for this one."""
        settings = self._call("settings")
        self._search = settings["search"]
        return settings

    def next_trial(self, worker: str) -> trials.Trial:
        request = protos.get_service().CreateTrialRequest(tuner_id=worker)
        response = self._reached(lambda: self.stub.CreateTrial(request, timeout=_CALL))
        return trials.Trial.from_proto(response.trial)

    def begin(self, worker: str, trial: str, versions: Mapping[str, str]) -> dict[str, Any]:
        return self._call("begin", trial=trial, versions=dict(versions))

    def hear(self, worker: str, trial: str, message: Mapping[str, Any]) -> Answer:
        return self._call("hear", trial=trial, message=dict(message))

    def end(self, worker: str, trial: str, outcome: Outcome) -> None:
        # The traceback stays where it was written down.
        sent = {**dataclasses.asdict(outcome), "traceback": None}
        self._call("end", trial=trial, outcome=sent)

    def close(self) -> None:
        """Tells the chief, if it is there, that nobody works here any more."""
        self._left.set()
        self._beating.join(2 * _SHORT_CALL)
        with contextlib.suppress(grpc.RpcError):
            self._tell({"call": "leave", "worker": self.worker}, timeout=_SHORT_CALL)
        self._channel.close()

    def _call(self, call: str, **arguments: Any) -> Any:
        message = {"call": call, "worker": self.worker, **arguments}
        if self._search is not None:
            message["search"] = self._search
        return self._reached(lambda: self._tell(message, timeout=_CALL))["answer"]

    def _reached(self, call: Callable[[], Given]) -> Given:
        """Makes a call, again and again while the chief is away. All of them may come twice."""
        until = time.monotonic() + self.patience
        pause, said = _FIRST_PAUSE, False
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() in _FINAL:
                    raise ZooError(
                        f"the chief at {self.address} answers: {error.details()}"
                    ) from error
                if time.monotonic() > until:
                    raise ZooError(
                        f"the chief at {self.address} was not to be reached for "
                        f"{self.patience:g} seconds"
                    ) from error
                if not said and pause > 1:
                    self.say(f"the chief at {self.address} is away; waiting for it")
                    said = True
                # Not all workers at the same time.
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _beat(self) -> None:
        alive = {"host": socket.gethostname(), "pid": os.getpid()}
        message = {"call": "see", "worker": self.worker, **alive}
        while not self._left.is_set():
            try:
                self._tell(message, timeout=_SHORT_CALL)
            except grpc.RpcError as error:
                _log.debug("the chief did not hear a sign of life: %s", error)
            except ValueError:
                # The channel was closed meanwhile.
                return
            self._left.wait(BEAT)


def end_with_parent() -> None:
    """Has this process end when the one that started it does: its standard input is then closed."""

    def listen() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()


@contextlib.contextmanager
def _environment(host: str, port: str, worker: str) -> Iterator[None]:
    """Says where the chief is in the way that KerasTuner's client reads it."""
    wanted = {
        "KERASTUNER_ORACLE_IP": host,
        "KERASTUNER_ORACLE_PORT": port,
        "KERASTUNER_TUNER_ID": worker,
    }
    before = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
