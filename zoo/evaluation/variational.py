"""What is measured of a variational autoencoder beside its images: bounds in nats, and latents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo import data
from zoo.autoencoding import VariationalAutoencoder
from zoo.cards import Metric
from zoo.evaluation.common import Evaluation, chunks, data_of, recorder
from zoo.evaluation.generation import measure_generator
from zoo.evaluation.reconstruction import measure_coder

# Latents k that are drawn for each image.
SAMPLES = 50
# Decides how test images are made black or white, and what is drawn.
_SEED = 0
# Burda et al. 2016, section 5.
_ACTIVE = 0.01


def measure_vae(vae: VariationalAutoencoder) -> Evaluation:
    """Measures a variational autoencoder: as a generator, as an autoencoder, and its bounds.

    With a Bernoulli likelihood, in nats an image, on test images that are binarised once, a pixel
    being white with the probability that is its share of white:

    - `negative_elbo`: `reconstruction_nats`, the mean of -log p(x|z) over latents z of q(z|x), and
      `kl`, KL(q(z|x) || N(0, I)) in closed form.
    - `negative_importance_bound`: of `SAMPLES` latents, Burda et al. 2016, eq. 8.

    A Gaussian likelihood is a density, whose nats depend on the scale of pixels, on the deviation
    and on noise that fills the gaps between grey levels. Of it there is `kl` alone.

    - `active_units`: latents whose mean varies over the images by more than 0.01.
    """
    drawn, coded = measure_generator(vae), measure_coder(vae)
    spec = data_of(vae.card)
    split = data.get(spec.name).tests[0]
    metrics = _bounds(vae, split, data.examples(spec, split)["image"])
    return Evaluation(
        (*drawn.metrics, *coded.metrics, *metrics), {**drawn.pictures, **coded.pictures}
    )


def binarised(images: np.ndarray, seed: int = _SEED) -> np.ndarray:
    """Makes pixels black or white, white with the probability that is their share of white.

    Args:
        images: uint8 (n, height, width, channels).
        seed: Decides which.

    Returns:
        uint8 of the same shape, 0 or 255.
    """
    draws = np.random.Generator(np.random.Philox(seed)).random(images.shape, np.float32)
    return np.where(draws < images.astype(np.float32) / 255, np.uint8(255), np.uint8(0))


def _bounds(vae: VariationalAutoencoder, split: str, images: np.ndarray) -> Iterator[Metric]:
    """Yields the bounds of images and what they consist of, and how many latents are in use."""
    import keras

    from zoo.losses.likelihoods import gaussian_kl

    bernoulli = vae.likelihood == "bernoulli"
    seen = binarised(images) if bernoulli else images
    moments = [vae.posterior(seen[part]) for part in chunks(len(seen))]
    divergences = [keras.ops.convert_to_numpy(gaussian_kl(*pair)) for pair in moments]
    kl = float(np.mean(np.concatenate(divergences)))
    record = recorder(vae.card, split, len(seen))
    note = "nats an image"
    if bernoulli:
        note += f"; test images binarised with seed {_SEED}"
        costs, bounds = _drawn_bounds(vae, seen, moments)
        each = f"mean of {SAMPLES} latents for each"
        yield record("negative_elbo", costs + kl, f"{note}; {each}, KL in closed form")
        yield record(
            "negative_importance_bound", -bounds, f"{note}; {SAMPLES} latents (Burda et al. 2016)"
        )
        yield record("reconstruction_nats", costs, f"{note}; {each}")
    yield record("kl", kl, note)
    means = np.concatenate([mean for mean, _ in moments])
    active = np.var(means, axis=0, dtype=np.float64) > _ACTIVE
    of = f"of {active.size} latents: variance of the posterior's mean above {_ACTIVE:g}"
    yield record("active_units", float(np.sum(active)), of)


def _drawn_bounds(
    vae: VariationalAutoencoder,
    images: np.ndarray,
    moments: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[float, float]:
    """Returns the means over images of -log p(x|z) and of the importance-weighted bound."""
    import keras

    from zoo.losses.likelihoods import bernoulli_nll, gaussian_nll
    from zoo.metrics.bounds import importance_weighted_bound
    from zoo.runtime import compile_network

    logits = compile_network(vae.networks["decoder"], layer="logits", smallest=8)
    generator = np.random.Generator(np.random.Philox(_SEED))
    numbers = keras.ops.convert_to_numpy
    costs, bounds = 0.0, 0.0
    for part, (mean, log_variance) in zip(chunks(len(images)), moments, strict=True):
        targets = images[part].astype(np.float32) / 255
        deviation = np.exp(log_variance / 2)
        rows = []
        for _ in range(SAMPLES):
            latents = mean + deviation * generator.standard_normal(mean.shape, np.float32)
            cost = numbers(bernoulli_nll(targets, logits(latents)))
            # log p(z) - log q(z|x)
            gap = gaussian_nll(latents, mean, deviation) - gaussian_nll(latents, 0.0, 1.0)
            rows.append(numbers(gap) - cost)
            costs += float(np.sum(cost, dtype=np.float64)) / SAMPLES
        bounds += float(np.sum(numbers(importance_weighted_bound(np.stack(rows)))))
    return costs / len(images), bounds / len(images)
