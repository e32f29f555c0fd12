"""How a translator is measured: what a classifier of the target domain sees, how near mates are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo import data
from zoo.cards import Metric
from zoo.data import Arrays, Domain
from zoo.evaluation.common import Evaluation, flat_pixels, judge_of, recorder
from zoo.images import encode_png, image_grid
from zoo.metrics.classification import accuracy
from zoo.metrics.neighbours import nearest
from zoo.translation import Translator

SPLIT = "test"
SHOWN = 16


def measure_translator(translator: Translator) -> Evaluation:
    """Measures a translator in each direction on the test split of its pair of domains.

    - `DIRECTION_accuracy`: the share of translated images in which the judge of the target domain,
      a stored classifier that learned from real images of it, sees the label of the original;
      beside it `DIRECTION_untranslated_accuracy`, the same of the originals as they are, and
      `real_DOMAIN_accuracy`, that of real images of the target domain. All are left out where no
      judge is stored, or images have no labels.
    - `DIRECTION_difference`, where test images come in pairs: the mean absolute difference, in
      pixel values, between translations and true mates; beside it
      `DIRECTION_untranslated_difference`, that between originals and mates. And `DIRECTION_pairs`:
      the share of translated images whose nearest real image of the target domain, by pixels, is
      their true mate.
    - `DIRECTION_reconstruction`: the mean absolute difference, in pixel values, between originals
      and their translations there and back. A translator that changes nothing has 0.
    """
    pair = data.PAIRS.get(translator.card.data["name"])
    test = data.load_pair(pair.name, SPLIT)
    metrics: list[Metric] = []
    rows: list[np.ndarray] = []
    there, back = translator.directions
    for direction, way_back, (a, b) in ((there, back, "ab"), (back, there, "ba")):
        originals, targets = test[f"{a}/image"], test[f"{b}/image"]
        translated = translator.run(originals, direction)
        if {f"{a}/label", f"{b}/label"} <= set(test):
            domain = pair.domains[b]
            metrics += _judged(translator, direction, translated, domain, test, a, b)
        record = recorder(translator.card, SPLIT, len(originals))
        if pair.paired:
            to = "to true mates; pixel values, mean |.|"
            for kind, images in (("", translated), ("untranslated_", originals)):
                far = _difference(images, targets)
                metrics.append(record(f"{direction}_{kind}difference", far, to))
            found, _ = nearest(flat_pixels(translated), flat_pixels(targets))
            share = float(np.mean(found == np.arange(len(targets))))
            metrics.append(record(f"{direction}_pairs", share, f"of {len(targets)}, by pixels"))
        error = _difference(translator.run(translated, way_back), originals)
        metrics.append(record(f"{direction}_reconstruction", error, "pixel values, mean |.|"))
        rows += [originals[:SHOWN], translated[:SHOWN]]
    columns = min(map(len, rows))
    grid = image_grid(np.concatenate([part[:columns] for part in rows]), columns)
    return Evaluation(tuple(metrics), {"translations.png": encode_png(grid)})


def _judged(
    translator: Translator,
    direction: str,
    translated: np.ndarray,
    domain: Domain,
    test: Arrays,
    a: str,
    b: str,
) -> Iterator[Metric]:
    """Yields how often the judge of the target domain is right, of all that it can be shown."""
    judge = judge_of(domain.judge, domain.name)
    if judge is None:
        return
    by = f"labels by {judge.card.name}@{judge.card.version}"
    for name, images, labels in (
        (f"{direction}_accuracy", translated, test[f"{a}/label"]),
        (f"{direction}_untranslated_accuracy", test[f"{a}/image"], test[f"{a}/label"]),
        (f"real_{domain.name}_accuracy", test[f"{b}/image"], test[f"{b}/label"]),
    ):
        right = accuracy(judge.scores(data.as_judged(images, domain)), labels)
        yield recorder(translator.card, SPLIT, len(images))(name, right, by)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the mean absolute difference of uint8 images."""
    return float(np.mean(np.abs(one.astype(np.int16) - other)))
