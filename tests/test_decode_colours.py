"""Decoding: every kind of pixel becomes RGB of 8 bits a channel, as it was meant."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import chunk, encoded, photo, pixels, png, tiff
from PIL import Image

RAMP = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(3, 0)
GRAY = (RAMP / 257).round().astype(int)  # the same with 8 bits


def test_sixteen_bits_of_gray_are_scaled_not_clipped() -> None:
    """A 16-bit PNG keeps its slope from black to white: 32768 becomes the middle."""
    found = pixels(encoded(Image.fromarray(RAMP), "PNG"))
    assert np.abs(found - GRAY[..., None]).max() <= 1
    assert pixels(encoded(Image.fromarray(np.full((2, 2), 32768, np.uint16)), "PNG"))[0, 0].tolist() == [128] * 3


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_of_either_byte_order(order: str, compression: str | None) -> None:
    """16-bit TIFFs, little-endian and big-endian, give the same slope."""
    found = pixels(encoded(Image.fromarray(RAMP.astype(order)), "TIFF", compression=compression))
    assert np.abs(found - GRAY[..., None]).max() <= 1


def test_twelve_bits_reach_from_black_to_white() -> None:
    """In a TIFF of 12 bits 4095 is white."""
    packed = bytes([0x00, 0x08, 0x00, 0xFF, 0xFF, 0xFF])  # 0, 2048, 4095, 4095
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 277: 1, 278: 1, 279: 6}
    assert pixels(tiff(tags, packed))[0, :, 0].tolist() == [0, 128, 255, 255]


def test_a_tiff_whose_white_is_zero_is_turned_round() -> None:
    """PhotometricInterpretation 0 means that 0 is white, with 16 bits as with 8."""
    tags = {256: 3, 257: 1, 258: 16, 259: 1, 262: 0, 277: 1, 278: 1, 279: 6}
    assert pixels(tiff(tags, struct.pack("<3H", 0, 32768, 65535)))[0, :, 0].tolist() == [255, 127, 0]
    tags |= {258: 8, 279: 3}
    assert pixels(tiff(tags, bytes([0, 128, 255])))[0, :, 0].tolist() == [255, 127, 0]


@pytest.mark.parametrize("factor", [1 / 257, 1, 30000])
def test_whole_numbers_of_32_bits_use_the_whole_range(factor: float) -> None:
    """A TIFF of 32-bit numbers shows its slope, whether they reach to 255, to 65535 or beyond."""
    numbers = (RAMP.astype(float) * factor).astype(np.int32)
    assert np.abs(pixels(encoded(Image.fromarray(numbers), "TIFF")) - GRAY[..., None]).max() <= 1


def test_unsigned_numbers_of_32_bits_do_not_turn_negative() -> None:
    """The upper half of unsigned 32-bit numbers is the brighter one."""
    numbers = struct.pack("<3I", 0, 0x80000000, 0xFFFFFFFF)
    tags = {256: 3, 257: 1, 258: 32, 259: 1, 262: 1, 277: 1, 278: 1, 279: 12}
    assert pixels(tiff(tags, numbers))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0, 1e6, 3e38])
def test_floating_point_uses_the_whole_range(white: float) -> None:
    """A TIFF of floating point numbers shows its slope, in the usual ranges or in its own."""
    numbers = (RAMP / 65535 * white).astype(np.float32)
    assert np.abs(pixels(encoded(Image.fromarray(numbers), "TIFF")) - GRAY[..., None]).max() <= (
        1 if white < 1e38 else 200
    )


def test_negative_numbers_start_at_their_lowest() -> None:
    """Where there are negative numbers, the lowest is black and the highest white."""
    numbers = np.array([[-1000, 0, 1000]], np.float32)
    assert pixels(encoded(Image.fromarray(numbers), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


def test_what_is_no_number_is_black() -> None:
    """NaN and infinity spoil nothing of the rest."""
    numbers = np.array([[np.nan, np.inf, -np.inf, 0.5, 1.0]], np.float32)
    assert pixels(encoded(Image.fromarray(numbers), "TIFF"))[0, :, 0].tolist() == [0, 0, 0, 128, 255]


def test_an_even_picture_has_no_slope_to_find() -> None:
    """One value everywhere is one gray everywhere."""
    for value in (0.5, -3.0, 1e30, 1e-44, -1e-44):
        found = pixels(encoded(Image.fromarray(np.full((2, 3), value, np.float32)), "TIFF"))
        assert (found == found[0, 0]).all()


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)])
def test_sixteen_bits_of_colour(colour: int, channels: int) -> None:
    """A PNG of 16 bits a channel keeps its upper 8; with alpha it lies over white."""
    values = [0, 0x80FF, 0xFFFF, 0xFFFF][:channels]
    data = png(1, 1, 16, colour, b"\0" + struct.pack(f">{channels}H", *values))
    assert np.abs(pixels(data)[0, 0] - [0, 128, 255]).max() <= 1


def test_half_transparent_16_bit_colour_lies_over_white() -> None:
    """Alpha of 16 bits counts."""
    data = png(1, 1, 16, 6, b"\0" + struct.pack(">4H", 0, 0, 0xFFFF, 0x8000))
    assert np.abs(pixels(data)[0, 0] - [127, 127, 255]).max() <= 1


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit_is_black_and_white(form: str) -> None:
    """A picture of one bit is black and white."""
    image = Image.fromarray(np.array([[True, False, True]]))
    assert pixels(encoded(image, form))[0, :, 0].tolist() == [255, 0, 255]


def test_gray_has_three_equal_channels() -> None:
    """A gray JPEG and a gray PNG become gray RGB."""
    gray = Image.fromarray(GRAY.astype(np.uint8))
    assert (pixels(encoded(gray, "PNG")) == GRAY[..., None]).all()
    assert np.ptp(pixels(encoded(gray, "JPEG")), axis=2).max() == 0


@pytest.fixture
def palette() -> Image.Image:
    """Left red, right blue."""
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_gives_its_colours(form: str, palette: Image.Image) -> None:
    """Numbers of a palette become its colours."""
    assert pixels(encoded(palette, form))[0].tolist() == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_white(form: str, palette: Image.Image) -> None:
    """The colour that a palette calls transparent becomes white, the others stay."""
    assert pixels(encoded(palette, form, transparency=0))[0].tolist() == [[255, 255, 255], [0, 0, 255]]


def test_a_palette_may_have_shades_of_transparency(palette: Image.Image) -> None:
    """A palette with an alpha for each colour lies over white."""
    found = pixels(encoded(palette, "PNG", transparency=bytes([128, 255])))[0]
    assert np.abs(found - [[255, 127, 127], [0, 0, 255]]).max() <= 1


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (10, 20, 30)), ("1", 0)])
def test_a_colour_that_stands_for_transparent_is_white(mode: str, key: int | tuple[int, ...]) -> None:
    """PNG may call one gray or one colour transparent."""
    assert (pixels(encoded(Image.new(mode, (2, 2), key), "PNG", transparency=key)) == 255).all()


@pytest.mark.parametrize(
    ("mode", "form"), [("LA", "PNG"), ("LA", "TIFF"), ("RGBA", "PNG"), ("RGBA", "TIFF"), ("RGBA", "WEBP")]
)
def test_transparent_parts_lie_over_white(mode: str, form: str) -> None:
    """Nothing shows where a picture is transparent but white; half transparent black is gray."""
    image = Image.merge(
        mode, [Image.fromarray(np.uint8([[0, 0, 0]]))] * (len(mode) - 1) + [Image.fromarray(np.uint8([[0, 128, 255]]))]
    )
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    assert np.abs(pixels(encoded(image, form, **options))[0, :, 0] - [255, 127, 0]).max() <= 1


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colour_spaces_are_converted(mode: str) -> None:
    """TIFFs in YCbCr and CIELAB have the colours of the picture they were made from."""
    source = Image.new("RGB", (4, 4), (120, 120, 120))
    image = source.convert("YCbCr") if mode == "YCbCr" else Image.new("LAB", (4, 4), (128, 128, 128))
    assert np.abs(pixels(encoded(image, "TIFF")) - 120).max() <= 3


def without_adobe(jpeg: bytes) -> bytes:
    """A JPEG without Adobe's marker."""
    at = jpeg.index(b"\xff\xee")
    return jpeg[:at] + jpeg[at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0] :]


def test_an_adobe_cmyk_jpeg_is_not_a_negative() -> None:
    """Adobe writes CMYK inverted and says so by its marker."""
    cmyk = photo().convert("CMYK")
    assert np.abs(pixels(encoded(cmyk, "JPEG", quality=100)) - np.asarray(photo())).mean() < 4


def test_a_cmyk_jpeg_of_others_is_not_a_negative() -> None:
    """Without Adobe's marker 0 is no ink, as libjpeg has it."""
    cmyk = photo().convert("CMYK")
    inverted = Image.merge("CMYK", [channel.point(lambda value: 255 - value) for channel in cmyk.split()])
    data = without_adobe(encoded(inverted, "JPEG", quality=100))
    assert np.abs(pixels(data) - np.asarray(photo())).mean() < 4


def test_a_cmyk_tiff_has_its_colours() -> None:
    """CMYK in TIFF is not inverted."""
    assert np.abs(pixels(encoded(photo().convert("CMYK"), "TIFF")) - np.asarray(photo())).max() <= 1


def odd_profile() -> bytes:
    """An ICC profile of a printer on white paper whose cyan ink is gray, CIELAB (50, 0, 0), and all else black."""
    fixed = lambda *values: struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))  # noqa: E731
    ramp = bytes(range(256))
    grid = b"".join(bytes([{0: 255, 8: 128}.get(node, 0), 128, 128]) for node in range(16))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4 + grid + ramp * 3
    white = b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)
    tags = {b"wtpt": white, b"A2B0": table}
    head = bytes(4) + struct.pack(">I", 0x02100000) + b"prtrCMYKLab " + struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    head += b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249) + bytes(48)
    index, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        index += name + struct.pack(">II", at + len(body), len(value))
        body += value
    return struct.pack(">I", 4 + len(head) + len(index) + len(body)) + head + index + body


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_a_cmyk_picture_follows_its_profile(form: str) -> None:
    """How ink looks is said by the ICC profile: here cyan is a middle gray, sRGB 119."""
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    assert np.abs(pixels(encoded(cyan, form, icc_profile=odd_profile())) - 119).max() <= 3
    assert np.abs(pixels(encoded(cyan, form)) - [0, 255, 255]).max() <= 3


@pytest.mark.parametrize("profile", [b"no profile", odd_profile()[:300]])
def test_a_broken_profile_is_no_fault(profile: bytes) -> None:
    """Without a profile that can be used, the plain formula is near enough."""
    paper = encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG", icc_profile=profile)
    assert (pixels(paper) > 250).all()


def test_a_profile_of_another_colour_space_is_no_fault() -> None:
    """A CMYK picture with an RGB profile, as bad converters write, is read by the plain formula."""
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    paper = encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG", icc_profile=srgb)
    assert (pixels(paper) > 250).all()


def test_long_notes_do_not_hide_a_picture() -> None:
    """A PNG with 2 MB of compressed notes, as editing programs write them, is read."""
    import zlib

    data = encoded(photo(), "PNG")
    notes = chunk(b"zTXt", b"notes\0\0" + zlib.compress(bytes(2_000_000)))
    assert (pixels(data[:33] + notes + data[33:]) == np.asarray(photo())).all()
