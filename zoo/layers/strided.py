"""What convolutional networks that halve their maps by strides share."""

from __future__ import annotations

from collections.abc import Sequence

# Weights from a normal distribution of deviation 0.02, LeakyReLU of slope 0.2: Radford et al. 2016,
# section 4, and with it Zhu et al. 2017 and Kim et al. 2017.
INITIALIZER = {"class_name": "RandomNormal", "config": {"stddev": 0.02}}
SLOPE = 0.2
# 4 is a multiple of the stride 2, so every output pixel sums equally many terms; the 5 of Radford
# et al. is not, which draws checkerboards (Odena et al. 2016).
KERNEL = 4
_LARGEST = 8


def halved(
    input_shape: Sequence[int], above: int, fewest: int, what: str
) -> tuple[tuple[int, int], int]:
    """Halves the sides of images down to those of the smallest map.

    Args:
        input_shape: (height, width, channels).
        above: Sides are halved while both are even and the smaller is above this.
        fewest: How often they must halve at least.
        what: Whose images, for the message.

    Returns:
        Height and width of the smallest map, and how often was halved.

    Raises:
        ValueError: for sides that do not halve so often, or do not come down to 8 pixels.
    """
    height, breadth = input_shape[:2]
    times = 0
    while height % 2 == 0 and breadth % 2 == 0 and min(height, breadth) > above:
        height, breadth, times = height // 2, breadth // 2, times + 1
    if times < fewest or max(height, breadth) > _LARGEST:
        often = " at least twice" if fewest > 1 else ""
        raise ValueError(
            f"images for a {what} need sides that halve{often} down to 4 to 8 pixels, such as 28, "
            f"32 or 64, got {input_shape[0]}x{input_shape[1]}"
        )
    return (height, breadth), times
