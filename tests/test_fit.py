"""What a model gets to see of a picture: its size, which part, and how it is scaled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import photo
from PIL import Image

from watcher.models.package import Card
from watcher.vision.decode import fit


def card(
    size: tuple[int, int] = (32, 32), resize: Literal["squash", "crop"] = "squash", crop_share: float = 1.0
) -> Card:
    return Card(
        name="m",
        version=1,
        labels=("no", "yes"),
        input_size=size,
        resize=resize,
        crop_share=crop_share,
        base="b",
        weights="w",
        verified=False,
        digest="",
        libraries={},
        created_at=datetime.now(UTC),
    )


def thirds() -> Image.Image:
    """300 x 100: red, green, blue from left to right."""
    image = Image.new("RGB", (300, 100), (0, 255, 0))
    image.paste((255, 0, 0), (0, 0, 100, 100))
    image.paste((0, 0, 255), (200, 0, 300, 100))
    return image


def test_squash_shows_the_whole_picture() -> None:
    """The sides are scaled apart: what was a third is a third."""
    row = fit(thirds(), card((30, 60)))[15]
    assert row[3].tolist() == [255, 0, 0]
    assert row[30].tolist() == [0, 255, 0]
    assert row[56].tolist() == [0, 0, 255]


@pytest.mark.parametrize("upright", [False, True])
def test_crop_shows_the_middle(upright: bool) -> None:
    """Of a picture three times as wide as high, or as high as wide, the middle third is seen."""
    image = thirds().transpose(Image.Transpose.ROTATE_90) if upright else thirds()
    assert (fit(image, card(resize="crop"))[2:-2, 2:-2] == (0, 255, 0)).all()


def test_a_share_of_the_crop_leaves_the_border_out() -> None:
    """crop_share is the part of the shorter side that is seen."""
    image = Image.new("RGB", (100, 100), "red")
    image.paste("blue", (26, 26, 74, 74))
    seen = fit(image, card(resize="crop", crop_share=0.46))
    assert (seen == (0, 0, 255)).all()
    assert (fit(image, card(resize="crop", crop_share=0.6))[0] == (255, 0, 0)).all()


def test_crop_is_the_usual_way_of_evaluating() -> None:
    """Cropping is the same as scaling the shorter side to 64 and cutting 56 x 56 out of the middle, 0.875."""
    image = photo(400, 300)
    usual = image.resize((85, 64), Image.Resampling.BICUBIC).crop((14, 4, 70, 60))
    seen = fit(image, card((56, 56), "crop", 0.875)).astype(int)
    assert np.abs(seen - np.asarray(usual)).mean() < 6


def test_crop_keeps_the_shape_of_things() -> None:
    """An input that is wider than high gets a part that is wider than high."""
    seen = fit(thirds(), card((20, 40), "crop"))
    assert seen.shape == (20, 40, 3)
    assert seen[10, 2].tolist() == [255, 0, 0]
    assert seen[10, 20].tolist() == [0, 255, 0]
    assert seen[10, 37].tolist() == [0, 0, 255]


def test_small_details_are_averaged() -> None:
    """Scaling down is antialiased: a fine chessboard becomes gray, not black or white."""
    board = Image.fromarray((np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)).convert("RGB")
    assert np.abs(fit(board, card()).astype(int) - 127).max() <= 2


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3), (5000, 7)])
def test_odd_shapes_are_seen_too(size: tuple[int, int], resize: Literal["squash", "crop"]) -> None:
    """One pixel, lines of one pixel's breadth, and pictures that must be enlarged."""
    seen = fit(Image.new("RGB", size, (10, 200, 30)), card((224, 160), resize, 0.875))
    assert seen.shape == (224, 160, 3)
    assert seen.dtype == np.uint8
    assert (seen == (10, 200, 30)).all()


@given(
    st.integers(1, 3000),
    st.integers(1, 40),
    st.tuples(st.integers(8, 48), st.integers(8, 48)),
    st.sampled_from(["squash", "crop"]),
    st.floats(1e-6, 1),
    st.booleans(),
)
def test_any_picture_fits_any_input(
    long: int, short: int, size: tuple[int, int], resize: Literal["squash", "crop"], share: float, upright: bool
) -> None:
    """Whatever the sizes, the result has the input's, and an even picture stays even."""
    image = Image.new("RGB", (short, long) if upright else (long, short), (1, 2, 3))
    seen = fit(image, card(size, resize, share))
    assert seen.shape == (*size, 3)
    assert (seen == (1, 2, 3)).all()
