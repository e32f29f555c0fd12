"""How a translator is measured: what a classifier of the target domain sees in its images."""

from __future__ import annotations

import numpy as np

from zoo import data, store
from zoo.cards import Metric
from zoo.errors import UnknownModelError
from zoo.evaluation.common import Evaluation, recorder
from zoo.images import encode_png, image_grid
from zoo.metrics.classification import accuracy
from zoo.metrics.neighbours import nearest
from zoo.pipelines import Classifier, make_pipeline
from zoo.translation import Translator

SPLIT = "test"
SHOWN = 16


def measure_translator(translator: Translator) -> Evaluation:
    """Measures a translator in each direction on the test split of its pair of domains.

    - `DIRECTION_accuracy`: the share of translated images in which the judge of the target domain,
      a stored classifier that learned from real images of it, sees the label of the original;
      beside it `real_DOMAIN_accuracy`, the same of real images of the target domain. Both are left
      out where no judge is stored, or images have no labels.
    - `DIRECTION_pairs`: for a planted pair, the share of translated images whose nearest real image
      of the target domain, by pixels, is their true mate.
    - `DIRECTION_reconstruction`: the mean absolute difference, in pixel values, between originals
      and their translations there and back.
    """
    pair = data.PAIRS.get(translator.card.data["name"])
    test = data.load_pair(pair.name, SPLIT)
    metrics: list[Metric] = []
    rows: list[np.ndarray] = []
    there, back = translator.directions
    for direction, way_back, (a, b) in ((there, back, "ab"), (back, there, "ba")):
        originals, targets = test[f"{a}/image"], test[f"{b}/image"]
        translated = translator.run(originals, direction)
        record = recorder(translator.card, SPLIT, len(originals))
        domain = pair.domains[b]
        judge = _judge(domain.judge)
        if judge is not None and {f"{a}/label", f"{b}/label"} <= set(test):
            by = f"labels by {judge.card.name}@{judge.card.version}"
            right = accuracy(judge.scores(data.as_judged(translated, domain)), test[f"{a}/label"])
            metrics.append(record(f"{direction}_accuracy", right, by))
            right = accuracy(judge.scores(data.as_judged(targets, domain)), test[f"{b}/label"])
            of_real = recorder(translator.card, SPLIT, len(targets))
            metrics.append(of_real(f"real_{domain.name}_accuracy", right, by))
        if pair.planted:
            found, _ = nearest(_flat(translated), _flat(targets))
            share = float(np.mean(found == np.arange(len(targets))))
            metrics.append(record(f"{direction}_pairs", share, f"of {len(targets)}, by pixels"))
        returned = translator.run(translated, way_back).astype(np.int16)
        error = float(np.mean(np.abs(returned - originals)))
        metrics.append(record(f"{direction}_reconstruction", error, "pixel values, mean |.|"))
        rows += [originals[:SHOWN], translated[:SHOWN]]
    columns = min(map(len, rows))
    grid = image_grid(np.concatenate([part[:columns] for part in rows]), columns)
    return Evaluation(tuple(metrics), {"translations.png": encode_png(grid)})


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def _judge(name: str | None) -> Classifier | None:
    """Returns a stored classifier, None where it is not stored."""
    if name is None:
        return None
    try:
        pipeline = make_pipeline(*store.load(name))
    except UnknownModelError:
        return None
    assert isinstance(pipeline, Classifier)
    return pipeline
