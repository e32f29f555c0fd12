"""What rivals, crashes and full disks leave in the store."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.store.common import (
    NAME,
    fakes,
    leftovers,
    make_card,
)
from zoo import store


def test_writers_at_once_get_versions_of_their_own(home: Path) -> None:
    count = 8
    barrier = threading.Barrier(count)
    folders: dict[int, Path] = {}

    def write(number: int) -> None:
        barrier.wait()
        folders[number] = store.save(make_card(), fakes(f"writer {number}".encode()))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.versions(NAME) == list(range(1, count + 1))
    for number, folder in folders.items():
        assert (folder / "network.keras").read_bytes() == f"writer {number}".encode()
        assert store.verify(folder).version == int(folder.name)
    assert leftovers(home / NAME) == []


def run_script(script: str, home: Path, shipped: Path, **more: Any) -> subprocess.Popen[str]:
    """Starts a Python process that has the common helpers and the same store."""
    head = f"""
        import os, shutil, signal, sys, time
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from common import NAME, fakes, make_card, tiny_network
        from zoo import paths, store
        paths.shipped_models = lambda: Path({str(shipped)!r})
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)],
        env={**os.environ, "ZOO_HOME": str(home.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def finish(process: subprocess.Popen[str], seconds: float) -> str:
    """Waits for the end of a script and returns what it printed."""
    try:
        output, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return output


def test_a_crash_at_any_line_leaves_whole_versions_only(home: Path, shipped: Path) -> None:
    """A copy of a process dies at the first line of the store, another at the second, and so on."""
    script = """
        import collections, itertools
        import zoo.report

        store.save(make_card(), fakes(b"first"))
        parent = store.find(NAME).parent
        outcomes = collections.Counter()
        for last_line in itertools.count(1):
            pid = os.fork()
            if pid == 0:
                lines = itertools.count(1)
                def trace(frame, event, argument):
                    if not frame.f_code.co_filename.endswith(("zoo/store.py", "zoo/files.py")):
                        return None
                    if event == "line" and next(lines) == last_line:
                        os.kill(os.getpid(), 9)
                    return trace
                sys.settrace(trace)
                store.save(make_card(), fakes(bytes(9000)), extras={"a.png": b"a"})
                sys.settrace(None)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code in (0, -9)
            assert store.versions(NAME) in ([1], [1, 2])
            for version in store.versions(NAME):
                assert store.verify(f"{NAME}@{version}").version == version
            if code == 0:
                break
            outcomes[len(store.versions(NAME))] += 1
            outcomes["left over"] += len(list(parent.glob(".saving-*")))
            # Every death starts from the same store, or the lines would not be the same.
            for path in parent.iterdir():
                if path.name != "1":
                    shutil.rmtree(path)
        assert store.versions(NAME) == [1, 2]
        print(outcomes[1], outcomes[2], outcomes["left over"])
    """
    process = run_script(script, home, shipped)
    output = finish(process, 150)
    before, after, left_over = map(int, output.split())
    assert before > 60, "the trace saw too little of the store"
    assert after > 0, "some deaths come after the rename"
    assert left_over > 30, "most of those before it come in the middle of a save"


def test_kill_at_random_moments_leaves_whole_versions_only(home: Path, shipped: Path) -> None:
    """Processes with Keras save in a loop into one store and are killed one after the other."""
    script = """
        network = tiny_network(os.getpid() % 1000)
        print("ready", flush=True)
        while True:
            store.save(make_card(), {"network": network}, extras={"a.png": bytes(50_000)})
    """
    moments = random.Random(5)
    processes = [run_script(script, home, shipped) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            time.sleep(moments.uniform(0.2, 0.7))
            process.send_signal(signal.SIGKILL)
            process.wait()
            for version in store.versions(NAME):
                assert store.verify(f"{NAME}@{version}").version == version
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    versions = store.versions(NAME)
    assert versions == list(range(1, len(versions) + 1)), "two writers shared a number"
    assert versions, "nothing was saved before the kills"
    for version in {versions[0], versions[len(versions) // 2], versions[-1]}:
        _, networks = store.load(f"{NAME}@{version}")
        assert networks["network"].count_params() == 9
    # The next writer goes on as if nothing had been.
    assert store.save(make_card(), fakes()).name == str(versions[-1] + 1)


def test_many_kills_of_a_light_writer_leave_whole_versions_only(home: Path, shipped: Path) -> None:
    script = """
        import zoo.report

        print("ready", flush=True)
        while True:
            store.save(make_card(), fakes(bytes(40_000), pause=0.0005))
    """
    moments = random.Random(6)
    for _ in range(8):
        process = run_script(script, home, shipped)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.0, 0.1))
        process.kill()
        process.communicate()
        for version in store.versions(NAME):
            store.verify(f"{NAME}@{version}")
    assert len(store.versions(NAME)) > 3
    assert leftovers(home / NAME), "no kill came in the middle of a save"


@pytest.mark.parametrize("what", ["the network", "a further file"])
def test_a_full_disk_is_one_error_and_changes_nothing(home: Path, shipped: Path, what: str) -> None:
    """A limit on the size of files stands for a disk with no room left."""
    store.save(make_card(), fakes(b"first"))
    script = f"""
        import resource
        import zoo.report

        network = tiny_network() if {what == "the network"} else fakes()["network"]
        extras = {{}} if {what == "the network"} else {{"a.png": bytes(100_000)}}
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            store.save(make_card(), {{"network": network}}, extras=extras)
        except OSError as error:
            print(type(error).__name__, error)
    """
    process = run_script(script, home, shipped)
    output = finish(process, 120)
    assert output.startswith("OSError") and output.count("\n") == 1
    assert [path.name for path in (home / NAME).iterdir()] == ["1"]
    assert store.verify(NAME).version == 1


def test_a_sync_that_fails_publishes_nothing(home: Path, monkeypatch: Any) -> None:
    store.save(make_card(), fakes())

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        store.save(make_card(), fakes())
    assert [path.name for path in (home / NAME).iterdir()] == ["1"]


def test_a_store_that_cannot_be_written_is_an_error_of_the_system(
    home: Path, shipped: Path
) -> None:
    home.parent.mkdir()
    home.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        store.save(make_card(), fakes())
    assert store.names() == []
