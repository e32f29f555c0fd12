"""Models in memory: loaded when asked for, swapped, freed; versions by their labels."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.core import TASKS
from serving.errors import REQUEST_ID, StoppingError
from serving.manager import ModelManager, StoreSource
from serving.metrics import Metrics
from serving.settings import Settings
from serving.versions import LabelBook, Versions
from tests.serving.fakes import SIZE, FakeSource, make_card, stepper_card
from zoo import store
from zoo.cards import Card
from zoo.errors import CorruptModelError, InvalidInputError, UnknownModelError

WAIT = 20
ROW = np.zeros((1, 8, 8, 1), np.float32)

Make = Callable[..., ModelManager]


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(stepper_card())


@pytest.fixture
def make(source: FakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes managers that look at their source at each request, and closes them."""
    monkeypatch.setattr("serving.catalogue._LISTING_SECONDS", 0)
    made: list[ModelManager] = []

    def manager(**settings: Any) -> ModelManager:
        labels = tmp_path / "labels.json"
        made.append(ModelManager(TASKS, Settings(**settings), Metrics(), source, labels))
        return made[-1]

    yield manager
    source.gate.set()
    for one in made:
        one.close()


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


async def id_of(manager: ModelManager, reference: str) -> str:
    async with manager.use(reference) as loaded:
        return loaded.id


def test_every_size_of_a_batch_is_warm_before_the_first_answer(
    make: Make, source: FakeSource
) -> None:
    manager = make(max_batch=24)
    assert asyncio.run(id_of(manager, "levels.grey")) == "levels.grey@2"
    assert source.pipelines["levels.grey@2"].warmed == (1, 2, 4, 8, 16, 32)
    assert asyncio.run(id_of(manager, "patches.grey")) == "patches.grey@1"
    # A generator's batches are filled up to blocks, so there are no smaller ones.
    assert source.pipelines["patches.grey@1"].calls == [8] * (1 + 2 + 4)


def test_warming_is_not_counted(make: Make) -> None:
    manager = make()
    asyncio.run(id_of(manager, "steps.grey"))
    assert 'zoo_batch_rows_count{model="steps.grey@1"}' not in manager._metrics.render().decode()


def test_a_model_goes_through_its_states(make: Make, source: FakeSource) -> None:
    manager = make()

    async def run() -> None:
        assert manager.state("levels.other") == "available"
        source.gate.clear()
        loading = asyncio.create_task(manager.load("levels.other"))
        await until(lambda: manager.state("levels.other") == "loading")
        assert manager.loaded() == [] and manager.loaded_bytes() == 0
        source.gate.set()
        await loading
        assert manager.state("levels.other") == "ready"
        assert manager.loaded() == ["levels.other@1"] and manager.loaded_bytes() == SIZE
        counts = manager.count_states()
        # Two versions of one model, and one of each other, the damaged card's too.
        assert counts["ready"] == 1 and counts["available"] == 7
        await manager.unload("levels.other")
        assert manager.state("levels.other") == "available" and manager.loaded_bytes() == 0

    asyncio.run(run())
    assert source.pipelines["levels.other@1"].functions.closed


def test_several_who_come_at_once_share_one_load(make: Make, source: FakeSource) -> None:
    manager = make()

    async def run() -> list[str]:
        return await asyncio.gather(*(id_of(manager, "levels.other") for _ in range(8)))

    assert set(asyncio.run(run())) == {"levels.other@1"}
    assert source.loads == ["levels.other@1"]


def test_a_load_that_fails_is_told_and_tried_again(make: Make, source: FakeSource) -> None:
    manager = make()
    for _ in range(2):
        with pytest.raises(CorruptModelError):
            asyncio.run(id_of(manager, "broken.grey"))
    assert source.loads == ["broken.grey@1"] * 2
    assert manager.state("broken.grey") == "failed" and manager.loaded() == []
    source.damaged.clear()
    assert asyncio.run(id_of(manager, "broken.grey")) == "broken.grey@1"


def test_a_newer_version_takes_over_when_it_is_warm_and_the_older_one_drains(
    make: Make, source: FakeSource
) -> None:
    manager = make()

    async def run() -> None:
        assert await id_of(manager, "levels.grey") == "levels.grey@2"
        source.gate.clear()
        source.cards["levels.grey@3"] = make_card("levels.grey", "classification", 3)
        async with manager.use("levels.grey") as older:
            assert older.id == "levels.grey@2"
            assert manager.state("levels.grey@3") == "loading"
            assert manager.state("levels.grey") == "ready"
            source.gate.set()
            await until(lambda: manager.state("levels.grey@3") == "ready")
            assert await id_of(manager, "levels.grey") == "levels.grey@3"
            assert manager.state("levels.grey@2") == "draining"
            assert manager.loaded_bytes() == 2 * SIZE
            assert (await older.run(ROW)).shape == (1, 10)
            assert not source.pipelines["levels.grey@2"].functions.closed
        await until(lambda: manager.state("levels.grey@2") == "available")

    asyncio.run(run())
    assert source.pipelines["levels.grey@2"].functions.closed
    assert manager.loaded() == ["levels.grey@3"]


def test_a_newer_version_that_is_damaged_leaves_the_older_one_in_place(
    make: Make, source: FakeSource
) -> None:
    manager = make()

    async def run() -> None:
        await id_of(manager, "levels.grey")
        source.cards["levels.grey@3"] = make_card("levels.grey", "classification", 3)
        source.damaged.add("levels.grey@3")
        assert await id_of(manager, "levels.grey") == "levels.grey@2"
        await until(lambda: manager.state("levels.grey@3") == "failed")
        assert {await id_of(manager, "levels.grey") for _ in range(5)} == {"levels.grey@2"}

    asyncio.run(run())
    # It is not tried again by every request.
    assert source.loads == ["levels.grey@2", "levels.grey@3"]


@pytest.mark.parametrize("reason", ["pin", "label"])
def test_a_version_that_is_asked_for_by_itself_stays(
    make: Make, source: FakeSource, reason: str
) -> None:
    manager = make()

    async def run() -> None:
        await id_of(manager, "levels.grey")
        if reason == "pin":
            await id_of(manager, "levels.grey@2")
        else:
            await manager.set_labels("levels.grey", {"stable": 2})
        source.cards["levels.grey@3"] = make_card("levels.grey", "classification", 3)
        await id_of(manager, "levels.grey")
        await until(lambda: manager.state("levels.grey@3") == "ready")
        assert manager.loaded() == ["levels.grey@2", "levels.grey@3"]

    asyncio.run(run())


def test_a_version_that_is_removed_from_the_store_is_left_for_the_one_before(
    make: Make, source: FakeSource
) -> None:
    manager = make()

    async def run() -> None:
        await id_of(manager, "levels.grey@1")
        await id_of(manager, "levels.grey")
        del source.cards["levels.grey@2"]
        assert await id_of(manager, "levels.grey") == "levels.grey@1"
        await until(lambda: manager.loaded() == ["levels.grey@1"])

    asyncio.run(run())


def test_unloading_waits_for_who_uses_it_and_others_get_it_anew(
    make: Make, source: FakeSource
) -> None:
    manager = make()

    async def run() -> None:
        async with manager.use("levels.other") as held:
            unloading = asyncio.create_task(manager.unload("levels.other"))
            await until(lambda: manager.state("levels.other") == "draining")
            async with manager.use("levels.other") as again:
                assert again.pipeline is not held.pipeline
            assert not unloading.done()
            assert (await held.run(ROW)).shape == (1, 10)
        await asyncio.wait_for(unloading, WAIT)
        assert held.pipeline.functions.closed and not again.pipeline.functions.closed

    asyncio.run(run())
    assert manager.loaded() == ["levels.other@1"]


def test_of_a_bare_name_all_versions_are_unloaded(make: Make) -> None:
    manager = make()

    async def run() -> None:
        for reference in ("levels.grey@1", "levels.grey@2", "levels.other"):
            await id_of(manager, reference)
        await manager.unload("levels.grey@1")
        assert manager.loaded() == ["levels.grey@2", "levels.other@1"]
        await id_of(manager, "levels.grey@1")
        await manager.unload("levels.grey")
        assert manager.loaded() == ["levels.other@1"]

    asyncio.run(run())


def test_what_was_used_longest_ago_makes_room(make: Make, source: FakeSource) -> None:
    manager = make(max_loaded=2 * SIZE)

    async def run() -> None:
        for name in ("levels.grey", "levels.other", "levels.grey", "patches.grey"):
            await id_of(manager, name)
        assert manager.loaded() == ["levels.grey@2", "patches.grey@1"]
        assert source.pipelines["levels.other@1"].functions.closed
        async with manager.use("levels.grey") as held:
            await id_of(manager, "levels.other")
            # What is at work is spared, although it came first.
            assert manager.loaded() == ["levels.grey@2", "levels.other@1"]
            assert (await held.run(ROW)).shape == (1, 10)

    asyncio.run(run())


def test_a_model_alone_may_be_larger_than_the_budget(make: Make) -> None:
    manager = make(max_loaded=1)

    async def run() -> None:
        async with manager.use("levels.grey") as held:
            assert await id_of(manager, "levels.other") == "levels.other@1"
            assert manager.state("levels.grey") == "draining"
            assert (await held.run(ROW)).shape == (1, 10)

    asyncio.run(run())
    assert manager.loaded() == ["levels.other@1"]


def test_what_a_model_cannot_do_is_said_with_those_that_can(make: Make) -> None:
    manager = make()

    async def ask(name: str, ability: Any) -> None:
        async with manager.use(name, ability):
            pass

    with pytest.raises(
        InvalidInputError, match=r"patches\.grey is for generation and does not edit"
    ):
        asyncio.run(ask("patches.grey", "edit"))
    with pytest.raises(InvalidInputError, match=r"models that do: steps\.grey"):
        asyncio.run(ask("levels.grey", "edit"))
    asyncio.run(ask("steps.grey", "edit"))
    assert manager.loaded() == ["steps.grey@1"]


def test_closing_answers_those_who_wait_for_a_load(make: Make, source: FakeSource) -> None:
    manager = make()

    async def run() -> None:
        source.gate.clear()
        first = asyncio.create_task(id_of(manager, "levels.grey"))
        second = asyncio.create_task(id_of(manager, "levels.other"))
        await until(lambda: manager.count_states().get("loading") == 2)
        closing = asyncio.create_task(asyncio.to_thread(manager.close))
        await asyncio.sleep(0.05)
        source.gate.set()
        await closing
        with pytest.raises(StoppingError):
            await second
        await asyncio.wait([first])
        with pytest.raises(StoppingError):
            await id_of(manager, "levels.grey")

    asyncio.run(run())


def test_a_label_is_a_version(make: Make) -> None:
    manager = make()

    async def run() -> None:
        await manager.set_labels("levels.grey", {"stable": 1, "canary": 2})
        assert manager.loaded() == []
        assert await id_of(manager, "levels.grey@stable") == "levels.grey@1"
        assert await id_of(manager, "levels.grey@canary") == "levels.grey@2"
        assert manager.card("levels.grey@stable").version == 1
        # What is in memory goes on while the new target is loaded; then the old one goes.
        await manager.set_labels("levels.grey", {"stable": 2})
        await until(lambda: manager.loaded() == ["levels.grey@2"])
        with pytest.raises(UnknownModelError, match=r"levels\.grey@canary"):
            await id_of(manager, "levels.grey@canary")

    asyncio.run(run())


def test_weights_share_requests_out_by_their_ids(make: Make) -> None:
    manager = make()
    weights = {"stable": 3, "canary": 1}

    async def drawn(identity: str) -> str:
        token = REQUEST_ID.set(identity)
        try:
            return await id_of(manager, "levels.grey")
        finally:
            REQUEST_ID.reset(token)

    async def run() -> None:
        await manager.set_labels("levels.grey", {"stable": 1, "canary": 2}, weights)
        first = [await drawn(f"request {n}") for n in range(40)]
        assert [await drawn(f"request {n}") for n in range(40)] == first
        assert set(first) == {"levels.grey@1", "levels.grey@2"}
        # What a bare name shows is the newest all the same.
        assert manager.card("levels.grey").version == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "labels", "weights", "error", "told"),
    [
        ("levels.none", {}, {}, UnknownModelError, "levels.none"),
        ("levels.grey", {"stable": 7}, {}, UnknownModelError, "levels.grey@7"),
        ("levels.grey@1", {"stable": 1}, {}, InvalidInputError, "without a version"),
        ("levels.grey", {"7": 1}, {}, InvalidInputError, "a label is a letter"),
        ("levels.grey", {"a": 0}, {}, InvalidInputError, "must name a version"),
        ("levels.grey", {"a": True}, {}, InvalidInputError, "must name a version"),
        ("levels.grey", {"a": 1}, {"b": 1}, InvalidInputError, "no such label"),
        ("levels.grey", {"a": 1}, {"a": -1}, InvalidInputError, "weight of a must be"),
        ("levels.grey", {"a": 1}, {"a": float("inf")}, InvalidInputError, "weight of a must be"),
        ("levels.grey", {"a": 1}, {"a": 0}, InvalidInputError, "more than 0"),
    ],
)
def test_labels_that_are_none_change_nothing(
    make: Make, name: str, labels: Any, weights: Any, error: type[Exception], told: str
) -> None:
    manager = make()
    asyncio.run(manager.set_labels("levels.grey", {"kept": 1}))
    with pytest.raises(error, match=told):
        asyncio.run(manager.set_labels(name, labels, weights))
    assert manager.labels.of("levels.grey").labels == {"kept": 1}


def test_shares_are_as_the_weights_say_and_one_model_draws_apart_from_another() -> None:
    versions = Versions(
        {"stable": 1, "canary": 2, "none": 3}, {"stable": 9, "canary": 1, "none": 0}
    )
    counts = Counter(versions.drawn(f"a {n}") for n in range(10_000))
    assert counts[1] == pytest.approx(9000, abs=150) and set(counts) == {1, 2}
    pairs = Counter((versions.drawn(f"a {n}"), versions.drawn(f"b {n}")) for n in range(10_000))
    assert pairs[2, 2] == pytest.approx(100, abs=50)
    assert Versions({"stable": 1}).drawn("a") is None


def test_labels_are_kept_and_a_file_of_the_operator_comes_first(tmp_path: Path) -> None:
    kept, given = tmp_path / "serving" / "labels.json", tmp_path / "given.json"
    book = LabelBook(kept)
    assert book.of("a.b") == Versions()
    book.replace("a.b", Versions({"stable": 1}, {"stable": 1.0}))
    book.replace("c.d", Versions({"old": 2}))
    book.replace("c.d", Versions())
    assert json.loads(kept.read_text()) == {
        "a.b": {"labels": {"stable": 1}, "weights": {"stable": 1.0}}
    }
    assert LabelBook(kept).of("a.b") == Versions({"stable": 1}, {"stable": 1.0})
    given.write_text('{"a.b": {"labels": {"stable": 5}}}')
    assert LabelBook(kept, given).of("a.b") == Versions({"stable": 5})


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 1}', '{"a": {"label": {}}}', '{"a": {"labels": []}}']
)
def test_a_file_of_labels_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        LabelBook(tmp_path / "kept.json", file)
    assert "labels.json" in str(caught.value) and "\n" not in str(caught.value)


def _resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _store_classifier(name: str) -> None:
    """Stores a small classifier with 4 MB of weights."""
    import keras

    network = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="images"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(1000, "relu"),
            keras.layers.Dense(1000, "relu", name="features"),
            keras.layers.Dense(3),
        ]
    )
    card = Card(
        name=name,
        task="classification",
        family="mlp",
        paper="none, 2026",
        recipe={},
        data={},
        metrics=(),
        input={"name": "images", "shape": [8, 8, 1], "dtype": "float32"},
        output={"shape": [3], "labels": ["a", "b", "c"]},
        networks={},
        parameters={"network": network.count_params()},
        training={},
        licence="CC0-1.0",
        versions={},
    )
    store.save(card, {"network": network})


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs Linux' /proc")
def test_memory_stays_flat_over_reloads(private_home: Path) -> None:
    _store_classifier("heavy.grey")
    manager = ModelManager(
        TASKS, Settings(max_batch=1), Metrics(), StoreSource("keras"), private_home / "labels.json"
    )

    async def reload(times: int) -> None:
        for _ in range(times):
            async with manager.use("heavy.grey") as loaded:
                scores = await loaded.run(ROW)
            np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
            await manager.unload("heavy.grey")

    asyncio.run(reload(3))
    before = _resident()
    asyncio.run(reload(20))
    grown = _resident() - before
    manager.close()
    # Weights that were kept would be 20 times 4 MB, and as many graphs.
    assert grown < 30e6, f"grew by {grown / 1e6:.0f} MB"
