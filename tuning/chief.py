"""The chief: one oracle for workers on many machines, by KerasTuner's service and one beside it.

KerasTuner's own chief and workers (1.4.8) work when all goes well. Mended here:

- a worker that died kept its trial for ever; here one that is not heard of loses it;
- the chief hung when a worker died, or when trials failed one after the other; here it ends when
  the search does, or when nobody comes;
- a chief that was begun anew knew nothing of its workers' trials; here they go on with them;
- metrics and scores went through 32-bit floats, reasons of failures and the order of conditional
  hyperparameters were lost on the way; here KerasTuner's messages say which trial is whose, and
  all else goes as JSON beside them.

There is no encryption and no password: listen on an address that only the workers reach.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from typing import Any

import grpc
import keras_tuner
from keras_tuner.engine import trial as trials
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief

from tuning.orders import Outcome
from tuning.recorder import Recorder
from zoo.errors import ZooError

SERVICE, METHOD = "zoo.tuning.Search", "Tell"
_THREADS = 16
_SECONDS_BETWEEN_LOOKS = 0.2
# What a worker can say, and what belongs to it.
_CALLS: dict[str, set[str]] = {
    "settings": set(),
    "see": {"host", "pid"},
    "begin": {"search", "trial", "versions"},
    "hear": {"search", "trial", "message"},
    "end": {"search", "trial", "outcome"},
    "leave": set(),
}
# Trainings of many epochs say all of them when they are taken up.
MESSAGE_BYTES = 64 * 2**20

_log = logging.getLogger(__name__)


class Servicer(oracle_chief.OracleServicer):
    """KerasTuner's service over a recorder, and a method `Tell` for what it has no message for.

    Args:
        recorder: The search.
        settings: What a worker must know to train for it, plain data: `search`, an id; `name` and
            `algorithm`; `objective`, its name and direction; `options` of what trains.
    """

    def __init__(self, recorder: Recorder, settings: Mapping[str, Any]) -> None:
        super().__init__(recorder.oracle)
        self.recorder = recorder
        self.settings = dict(settings)
        # What ended the search in the middle of a call.
        self.error: Exception | None = None
        # When a worker was last heard of, on the monotonic clock.
        self.seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def CreateTrial(self, request: Any, context: Any) -> Any:
        self._hear_of(request.tuner_id)
        with self._answering(context):
            trial = self.recorder.next_trial(request.tuner_id)
            if trial.status == trials.TrialStatus.STOPPED:
                self.forget(request.tuner_id)
            named = trials.Trial(keras_tuner.HyperParameters(), trial.trial_id, trial.status)
            return protos.get_service().CreateTrialResponse(trial=named.to_proto())

    def tell(self, request: Mapping[str, Any], context: Any) -> Any:
        """Answers `{"call": name, "worker": id, …}`; `tuning.worker.ChiefDesk` asks so."""
        call, worker = request.get("call"), request.get("worker")
        needed = _CALLS.get(str(call))
        if needed is None or not isinstance(worker, str) or not needed <= set(request):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the chief is of another version")
        if request.get("search", self.settings["search"]) != self.settings["search"]:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "another search was begun")
        if call == "leave":
            self.forget(str(worker))
        else:
            self._hear_of(str(worker))
        with self._answering(context):
            # Never None, which gRPC takes for a message that could not be read.
            return {"answer": self._answer(str(call), str(worker), request)}

    def _answer(self, call: str, worker: str, request: Mapping[str, Any]) -> Any:
        recorder = self.recorder
        if call == "settings":
            return self.settings
        if call == "see":
            return recorder.see(worker, request["host"], request["pid"])
        if call == "leave":
            return recorder.lose(worker)
        if call == "begin":
            return recorder.begin(worker, request["trial"], request["versions"])
        if call == "hear":
            return recorder.hear(worker, request["trial"], request["message"])
        return recorder.end(worker, request["trial"], Outcome(**request["outcome"]))

    def silent(self, seconds: float) -> list[str]:
        """Returns the workers that were not heard of for so long."""
        with self._lock:
            now = time.monotonic()
            return [worker for worker, seen in self.seen.items() if now - seen > seconds]

    def forget(self, worker: str) -> None:
        """No longer expects to hear of a worker."""
        with self._lock:
            self.seen.pop(worker, None)

    def _hear_of(self, worker: str) -> None:
        with self._lock:
            self.seen[worker] = time.monotonic()

    @contextlib.contextmanager
    def _answering(self, context: Any) -> Iterator[None]:
        """An error of the search itself ends it; the worker is told to try again later."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  It is raised again by the chief's own thread.
            _log.info("a call failed", exc_info=True)
            self.error = self.error or error
            context.abort(grpc.StatusCode.UNAVAILABLE, "the chief stops")


class Chief:
    """A chief at work, between `with` and the end of `run`.

    Args:
        recorder: The search.
        settings: What a worker must know, see `Servicer`.
        host: The address to listen on.
        port: The port; 0 is any that is free, see `address`.
        timeout: Seconds after which a worker that is not heard of loses its trial.
        patience: Seconds without any worker after which the chief ends; None is for ever.
        say: Takes each line of progress.

    Raises:
        ZooError: when the port cannot be had.
    """

    def __init__(
        self,
        recorder: Recorder,
        settings: Mapping[str, Any],
        host: str,
        port: int,
        timeout: float,
        patience: float | None,
        say: Callable[[str], None],
    ) -> None:
        self.recorder = recorder
        self.timeout = timeout
        self.patience = patience
        self.say = say
        self.servicer = Servicer(recorder, settings)
        self._left = threading.Event()
        self._pool = futures.ThreadPoolExecutor(_THREADS)
        # Without this option a second chief could share the port of the first.
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            # Workers that wait ask now and then whether this machine is still there.
            ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
        ]
        self._server = grpc.server(self._pool, options=options)
        protos.get_service_grpc().add_OracleServicer_to_server(self.servicer, self._server)
        handler = grpc.unary_unary_rpc_method_handler(
            self.servicer.tell, request_deserializer=json.loads, response_serializer=to_bytes
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
        )
        try:
            self.port = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise ZooError(f"cannot listen on {host}:{port}: {error}") from error
        if not self.port:
            raise ZooError(f"cannot listen on {host}:{port}; is it in use?")
        self.address = f"{host}:{self.port}"

    def __enter__(self) -> Chief:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        # Whoever has asked gets an answer, and nobody else.
        self._server.stop(grace=2).wait()
        self._pool.shutdown(wait=True)

    def run(self, look: Callable[[], None] = lambda: None) -> None:
        """Waits until the search is over, or the chief's `with` ends in another thread.

        Args:
            look: Called several times a second, for whoever keeps workers of its own.

        Raises:
            ZooError: when the search cannot go on, or when nobody comes.
        """
        alone_since = time.monotonic()
        while not self._left.wait(_SECONDS_BETWEEN_LOOKS):
            if self.servicer.error is not None:
                raise self.servicer.error
            look()
            for worker in self.servicer.silent(self.timeout):
                self.lose(worker, f"was not heard of for {self.timeout:g} seconds")
            if self.recorder.over and self.recorder.idle():
                return
            if self.servicer.seen:
                alone_since = time.monotonic()
            elif self.patience is not None and time.monotonic() - alone_since > self.patience:
                raise ZooError(
                    f"no worker was there for {self.patience:g} seconds; "
                    "the same command goes on with the search"
                )

    def lose(self, worker: str, why: str) -> None:
        """Gives a worker up: another one gets its trial."""
        self.servicer.forget(worker)
        trial = self.recorder.lose(worker)
        left = "it had no trial" if trial is None else f"trial {trial} waits for another"
        self.say(f"worker {worker} {why}; {left}")


def to_bytes(message: Any) -> bytes:
    """Returns a message as JSON."""
    return json.dumps(message).encode()
