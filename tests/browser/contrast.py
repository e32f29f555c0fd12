"""How well text stands out on a page's panels, as WCAG 2 measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# What level AA asks of text (success criterion 1.4.3).
AA = 4.5

_CONTRASTS = """(selectors) => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map((n) => {
      const share = Number(n) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  const ground = light(style(".panel").backgroundColor);
  return selectors.map((selector) => {
    const ink = light(style(selector).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  });
}"""


def least_contrast(page: Any, selectors: Sequence[str]) -> float:
    """Returns the least contrast, 1 to 21, of the first elements of selectors on a panel."""
    return min(page.evaluate(_CONTRASTS, list(selectors)))
