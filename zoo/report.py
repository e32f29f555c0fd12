"""Cards for people: Markdown and pictures."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cards import Card, Metric

if TYPE_CHECKING:
    import numpy as np

_PICTURES = {
    "samples.png": "Samples from the seeds 0, 1, 2, …, none chosen",
    "reconstructions.png": "Test images, not chosen, and below them their reconstructions",
    "codes.png": "Codes of test images by their class",
    "translations.png": "Test images of each domain, not chosen, and below them their translations",
    "confusion.png": "Confusion matrix on the test split",
    "calibration.png": "Reliability diagram on the test split: accuracy by confidence",
    "errors.png": "The most confident errors on the test split: the true label, then the answer",
    "neighbours.png": "Generated images, each beside the training image that is nearest to it: the "
    "six nearest of all, then the seeds 0 to 5",
    "history.png": "Training",
}
_USE = {
    "classification": 'classifier = zoo.load("{name}")\nclassifier.predict("picture.png", top_k=3)',
    "translation": 'translator = zoo.load("{name}")\n'
    'images = translator.translate("picture.png", direction="{direction}")',
    "generation": 'generator = zoo.load("{name}")\nimages = generator.generate(16, seed=0)',
    "reconstruction": 'autoencoder = zoo.load("{name}")\n'
    'codes = autoencoder.encode("picture.png")\nimages = autoencoder.decode(codes)',
}
# The metrics that say most of a model, by task: what a line of a table has room for.
_TOLD = {
    "classification": r"(source_)?accuracy|nll|ece|corruption_accuracy",
    "generation": r"(fd|kid|memorised)_.+(?<!_floor)|classifier_accuracy_score|negative_elbo",
    "reconstruction": r"mse|psnr|code_accuracy|code_neighbour_accuracy",
    "translation": r".+_to_.+(?<!_untranslated)_accuracy|.+_pairs",
}


def card_readme(card: Card, folder: Path) -> str:
    """Returns a card as Markdown, with the pictures that are in the folder."""
    lines = [f"# {card.name}, version {card.version}", "", card.paper + ".", ""]
    if card.task in _USE:
        direction = next(iter(card.output.get("directions", ())), "")
        use = _USE[card.task].format(name=card.name, direction=direction)
        lines += ["```python", "import zoo", use, "```", ""]
    for file, caption in _PICTURES.items():
        if (folder / file).is_file():
            lines += [f"![{caption}]({file})", "", f"{caption}.", ""]
    lines += ["## Measured", ""]
    rows = [
        [m.name, format_value(m), m.split, f"{m.n:,}", f"`{m.command}`", m.note]
        for m in card.metrics
    ]
    lines += [markdown_table(["metric", "value", "split", "n", "command", "note"], rows), ""]
    if card.costs:
        lines += ["## Costs", "", markdown_table(["", ""], costs_rows(card.costs)), ""]
    training = dict(card.training)
    members = training.pop("members", [])
    if members:
        table = markdown_table(list(members[0]), [[str(v) for v in m.values()] for m in members])
        lines += ["## Members", "", table, ""]
    facts = [
        ["task", card.task],
        ["input", _describe(card.input)],
        ["output", _describe(card.output)],
        ["parameters", ", ".join(f"{n} {count:,}" for n, count in card.parameters.items())],
        ["training data", _describe(card.data)],
        ["training", _describe(training)],
        ["licence of the data", card.licence],
        ["versions", _describe(card.versions)],
        ["created", card.created],
    ]
    if card.labels:
        facts.insert(3, ["labels", ", ".join(card.labels)])
    for role, parent in card.recipe.get("parents", {}).items():
        digests = _describe(parent.get("sha256", {}))
        facts.append([role, f"of {parent['model']}, sha256: {digests}"])
    for origin in ("transfer", "lineage"):
        if card.recipe.get(origin):
            facts.append([origin, _describe(card.recipe[origin])])
    lines += ["## Facts", "", markdown_table(["", ""], facts), ""]
    recipe = json.dumps(card.recipe, indent=2, ensure_ascii=False)
    lines += ["## Recipe", "", "```json", recipe, "```", ""]
    return "\n".join(lines)


def models_table(cards: Sequence[Card]) -> str:
    """Returns a Markdown table of models, as the README shows it.

    Of the metrics it has those that say most, on the first split that was measured on.
    """
    header = ["model", "task", "parameters", "measured on its test split", "training"]
    rows = []
    for card in cards:
        measured = ", ".join(f"{m.name} {format_value(m)}" for m in _told(card))
        minutes = card.training["seconds"] / 60
        rows.append(
            [
                f"`{card.name}@{card.version}`",
                card.task,
                f"{sum(card.parameters.values()):,}",
                measured,
                f"{card.training['epochs']} epochs, {minutes:.0f} min",
            ]
        )
    return markdown_table(header, rows)


def _told(card: Card) -> list[Metric]:
    """Returns the metrics that say most of a model, or the first two where it has none of them."""
    told = _TOLD.get(card.task, "")
    found = [
        m for m in card.metrics if m.split == card.metrics[0].split and re.fullmatch(told, m.name)
    ]
    return found or list(card.metrics[:2])


def stored_lines(card: Card, folder: Path) -> list[str]:
    """Returns what to tell of a model that was just stored: metrics, meaning, place."""
    lines = []
    for metric in card.metrics:
        note = f" ({metric.note})" if metric.note else ""
        lines.append(f"{metric.name} {format_value(metric)} on {metric.split}, n={metric.n}{note}")
    reference = f"{card.name}@{card.version}"
    if card.version > 1:
        lines.append(f"{card.name} without a version means {reference} from now on")
    return [*lines, f"stored {reference} in {folder}"]


def format_value(metric: Metric) -> str:
    """Formats a metric's value: shares in percent, others with four digits."""
    if metric.is_share:
        return f"{100 * metric.value:.2f}%"
    return f"{metric.value:.4g}"


def costs_rows(costs: Mapping[str, Any]) -> list[list[str]]:
    """Returns a card's costs as lines of a table: what, how much."""
    rows = []
    if "flops" in costs:
        rows.append(["FLOPs of one image", f"{costs['flops']:,} (2 for each multiply-add)"])
    if "bytes" in costs:
        sizes = [f"{name} {size / 1e6:.2f} MB" for name, size in costs["bytes"].items()]
        rows.append(["size of the stored networks", ", ".join(sizes)])
    if "latency_ms" in costs:
        where = f"{costs['device']}, {costs['threads']} threads, {costs['processor']}"
        rows.append(["latency of one image", f"{costs['latency_ms']:.2f} ms ({where})"])
        rows.append(["in batches of 32", f"{costs['images_per_second']:,} images/s"])
    return rows


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in columns for a terminal."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    return "\n".join(lines)


def _describe(facts: dict[str, Any]) -> str:
    shown = {key: value for key, value in facts.items() if key != "labels"}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def confusion_png(matrix: np.ndarray, labels: Sequence[str]) -> bytes:
    """Draws a confusion matrix; each row is a true class, in percent of its examples."""
    import numpy as np

    figure, axes = _figure(0.6 * len(labels) + 2.2, 0.6 * len(labels) + 1.6)
    shares = 100 * matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.05:
            colour = "white" if share > 50 else "black"
            axes.text(column, row, f"{share:.1f}", ha="center", va="center", color=colour, size=8)
    return _png(figure)


def calibration_png(counts: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> bytes:
    """Draws a reliability diagram from what `calibration_curve` returns.

    Args:
        counts: Rows in each bin (bins,).
        confidence: Their mean confidence.
        right: Their accuracy.
    """
    import numpy as np

    figure, axes = _figure(4.5, 4.2)
    bins = len(counts)
    centres = (np.arange(bins) + 0.5) / bins
    used = counts > 0
    axes.bar(centres, counts / counts.sum(), width=0.9 / bins, label="share of images", alpha=0.4)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(confidence[used], right[used], "o-", label="accuracy")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
    return _png(figure)


def captioned_png(images: np.ndarray, captions: Sequence[str], columns: int = 5) -> bytes:
    """Draws images in rows of `columns`, each under its caption.

    Args:
        images: uint8 (n, height, width, 1 or 3), one at least.
        captions: One for each image, of two lines.
        columns: Images in a row.
    """
    from matplotlib.figure import Figure

    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.6 * columns, 1.9 * rows), layout="constrained")
    for place, (image, caption) in enumerate(zip(images, captions, strict=True), start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(
            image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255
        )
        axes.set_title(caption, fontsize=8)
        axes.set_axis_off()
    return _png(figure)


def scatter_png(points: np.ndarray, labels: np.ndarray | None, names: Sequence[str]) -> bytes:
    """Draws points of the plane or of space, in a colour for each class.

    Args:
        points: (n, 2) or (n, 3).
        labels: The class of each, or None.
        names: Of the classes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 5.5), layout="constrained")
    axes = figure.add_subplot(projection="3d" if points.shape[1] == 3 else None)
    dots: dict[str, Any] = {"s": 4}
    if labels is None:
        axes.scatter(*points.T, **dots)
        return _png(figure)
    for label, name in enumerate(names):
        axes.scatter(*points[labels == label].T, **dots, color=f"C{label}", label=name)
    axes.legend(markerscale=3, fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5))
    return _png(figure)


def history_png(history: Sequence[dict[str, float]]) -> bytes:
    """Draws every logged value against the epoch, losses apart from shares."""
    import numpy as np

    names = [name for name in history[0] if name not in ("epoch", "seconds", "member")]
    losses = [name for name in names if "loss" in name]
    groups = [group for group in (losses, [n for n in names if n not in losses]) if group]
    figure, axes = _figure(4.5 * len(groups), 3.2, columns=len(groups))
    for panel, group in zip(np.ravel(axes), groups, strict=True):
        for name in group:
            panel.plot(
                [row["epoch"] for row in history], [row[name] for row in history], label=name
            )
        panel.set_xlabel("epoch")
        panel.grid(alpha=0.3)
        panel.legend()
    return _png(figure)


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    # The object interface draws without a window system and keeps no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()
