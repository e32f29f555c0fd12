"""The variational autoencoder (Kingma and Welling 2014; Rezende et al. 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.config import floatx

from zoo.latents import draw_latents, from_pixels, to_pixels
from zoo.layers.moments import split_moments
from zoo.losses.likelihoods import gaussian_kl, gaussian_nll
from zoo.metrics.bounds import importance_weighted_bound
from zoo.models.autoencoder.game import CodingGame
from zoo.training.engine import Batch, Losses
from zoo.training.noise import CounterSeed

OPTIMAL = "optimal"
# A perfect reconstruction has no deviation; a thousandth of the range stands for it.
_LEAST_VARIANCE = 1e-6
# Images that are drawn together, for a search asks for thousands.
_AT_ONCE = 250


@keras.saving.register_keras_serializable("zoo")
class VAE(CodingGame):
    """Minimises the negative evidence lower bound, in nats an image (Kingma, Welling 2014, eq. 10):

        -E_q(z|x)[log p(x|z)] + beta · KL(q(z|x) || N(0, I)).

    Both are sums, over pixels and over latents, so that beta = 1 is the bound whatever the size of
    an image; a mean over batches is all that is averaged. Logged are the two terms,
    `reconstruction_loss` and `kl`, as they are without beta. In evaluation the noise is always the
    same, so that epochs can be compared.

    Args:
        encoder: Pixels from 0 to 255 to `moments`: means and log-variances of q.
        decoder: Latents to images in [-1, 1]. With a layer `logits` the likelihood is Bernoulli's
            of pixels from 0 to 1, else a Gaussian of pixels from -1 to 1.
        beta: Weight of the divergence (Higgins et al. 2017).
        kl_warmup: Share of the run, at its beginning, in which that weight grows from 0 to beta
            (Sønderby et al. 2016); 0 for none. Validation has beta throughout.
        binarise: Whether pixels are made black or white, white with the probability that is their
            share of it, anew in each step (Burda et al. 2016, section 5). For a Bernoulli
            likelihood alone.
        deviation: Of the Gaussian, in pixels from -1 to 1: a number, or `optimal`, the root of the
            batch's mean squared error, which maximises the likelihood (Rybkin et al. 2021).
        samples: Latents k that are drawn for each image. Of more than one the loss is the negative
            importance-weighted bound (Burda et al. 2016, eq. 8), with both terms of an exponent
            weighted as above.

    Raises:
        ValueError: for an option out of range or that the likelihood does not have, or networks
            that do not fit each other.
    """

    logged = ("reconstruction_loss", "kl")
    variational = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        beta: float = 1.0,
        kl_warmup: float = 0.0,
        binarise: bool = False,
        deviation: float | str = OPTIMAL,
        samples: int = 1,
        **kwargs: Any,
    ) -> None:
        if beta < 0:
            raise ValueError(f"beta must be 0 or more, got {beta}")
        if not 0 <= kl_warmup <= 1:
            raise ValueError(f"kl_warmup is a share of the run, 0 to 1, got {kl_warmup}")
        if samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        if deviation != OPTIMAL and (isinstance(deviation, str) or not deviation > 0):
            raise ValueError(f"deviation must be above 0 or {OPTIMAL!r}, got {deviation!r}")
        super().__init__(encoder, decoder, **kwargs)
        if self.bernoulli and deviation != OPTIMAL:
            raise ValueError("deviation is for a Gaussian likelihood; this decoder has logits")
        if binarise and not self.bernoulli:
            raise ValueError(
                "binarise is for a Bernoulli likelihood, and this decoder has no logits; set "
                "network.likelihood=bernoulli"
            )
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.binarise = binarise
        self.deviation = deviation
        self.samples = samples
        if self._draws:
            self.sample_columns = None

    @property
    def _draws(self) -> bool:
        """Whether latents are vectors, which N(0, I) is meant to fill; of maps nobody draws."""
        return len(self.decoder.input_shape) == 2

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        images = batch["image"]
        if self.binarise:
            seed = self._seed_of("binarise", training)
            drawn = keras.random.uniform(ops.shape(images), dtype=floatx(), seed=seed)
            images = 255.0 * ops.cast(drawn < images / 255.0, floatx())
        moments = ops.cast(self.encoder(images, training=training), floatx())
        mean, log_variance = split_moments(moments)
        kl = ops.mean(gaussian_kl(mean, log_variance))
        weight = self._weight(training)
        if self.samples == 1:
            nll = self._nll(images, self._latents(mean, log_variance, training), training)
            reconstruction = ops.mean(nll)
            loss = reconstruction + weight * kl
        else:
            k = self.samples
            mean, log_variance = _repeated(mean, k), _repeated(log_variance, k)
            latents = self._latents(mean, log_variance, training)
            nll = self._nll(_repeated(images, k), latents, training)
            # log q(z|x) - log p(z)
            gap = gaussian_nll(latents, 0.0, 1.0) - gaussian_nll(
                latents, mean, ops.exp(log_variance / 2)
            )
            log_weights = ops.reshape(-nll - weight * gap, (k, -1))
            loss = -ops.mean(importance_weighted_bound(log_weights))
            reconstruction = ops.mean(nll)
        return {"autoencoder": loss}, {"reconstruction_loss": reconstruction, "kl": kl}

    def _weight(self, training: bool) -> Any:
        """The weight of the divergence in this step."""
        if not training or not self.kl_warmup:
            return self.beta
        return self.beta * ops.minimum(1.0, self.progress / self.kl_warmup)

    def _latents(self, mean: Any, log_variance: Any, training: bool) -> Any:
        """Draws from q: mean + deviation · N(0, I) (Kingma and Welling 2014, section 2.4)."""
        seed = self._seed_of("latents", training)
        drawn = keras.random.normal(ops.shape(mean), dtype=floatx(), seed=seed)
        return mean + ops.exp(log_variance / 2) * drawn

    def _seed_of(self, purpose: str, training: bool) -> CounterSeed:
        """A seed of this step, or in evaluation always the same."""
        return self.rng(purpose) if training else CounterSeed(self.seed, f"evaluation {purpose}", 0)

    def _nll(self, images: Any, latents: Any, training: bool) -> Any:
        """Returns -log p(x|z) of each image, (batch,)."""
        outputs = self.decoded(latents, training)
        if self.bernoulli:
            return self.cross_entropy(images, outputs)
        pixels = from_pixels(images)
        if self.deviation != OPTIMAL:
            return gaussian_nll(pixels, outputs, self.deviation)
        variance = ops.maximum(ops.mean(ops.square(pixels - outputs)), _LEAST_VARIANCE)
        return gaussian_nll(pixels, outputs, ops.sqrt(variance))

    def sample(self, count: int) -> np.ndarray:
        """Returns `count` images: draws from N(0, I), or of latent maps reconstructions."""
        if not self._draws:
            return super().sample(count)
        latents = draw_latents(range(count), self.decoder.input_shape[-1])
        decoder = self.published_networks()["decoder"]
        pieces = (latents[start : start + _AT_ONCE] for start in range(0, count, _AT_ONCE))
        drawn = [ops.convert_to_numpy(decoder(piece, training=False)) for piece in pieces]
        return to_pixels(np.concatenate(drawn))


def _repeated(x: Any, k: int) -> Any:
    """Lays k copies of a batch one after the other: (batch, …) to (k batch, …)."""
    return ops.concatenate([x] * k, axis=0)
