"""From the bytes of a file to upright RGB, or to the reason why not."""

from __future__ import annotations

import codecs
import io
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageChops,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from watcher.vision.outcome import Failed
from watcher.vision.structure import overladen, too_many_scans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from watcher.models.package import Card

# The plugins that may see a stranger's bytes; none starts another program or opens the network.
# A JPEG with more pictures behind the first, as phones write them (MPO), comes in as JPEG.
FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        BmpImagePlugin.DibImageFile,
        GifImagePlugin.GifImageFile,
    )
)
READABLE = "JPEG, PNG, WebP, TIFF, BMP or GIF"

# Our own cap, in `decode`, comes before Pillow would allocate, and has no second, louder stage.
Image.MAX_IMAGE_PIXELS = None

# Pillow takes a PNG whose notes are longer than 1 MB for an attack, but editing programs write such.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20

# Pillow warns of odd metadata, which says nothing to anyone here. (Not catch_warnings: threads share it.)
warnings.filterwarnings("ignore", module=r"PIL\.")

_BACKGROUND = (255, 255, 255)
_OVERLADEN = "it has {}, more than a picture needs, and could not be read in a reasonable time"

# From what EXIF's orientation says of a picture to what makes it upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# How the formats that we read begin, BMP aside, which any text may.
_BEGINNINGS = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)


def decode(data: bytes, max_megapixels: float) -> Image.Image | Failed:
    """The picture in `data` as RGB, its EXIF orientation applied; the first frame where there are several.

    Transparent parts become white; 16 bits a channel are scaled to 8, not clipped. Thread-safe.
    """
    if not data:
        return Failed("the file is empty")
    if load := overladen(data):
        return Failed(_OVERLADEN.format(load))
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = _size(image)
            megapixels = width * height / 1e6
            if megapixels > max_megapixels:
                return Failed(
                    f"it is {width} x {height} pixels ({megapixels:.1f} megapixels); at most "
                    f"{max_megapixels:g} megapixels are read (max_megapixels in watcher.toml)"
                )
            if load := too_many_scans(data, width * height):
                return Failed(_OVERLADEN.format(load))
            image.load()
            upright = _turn(image)
            rgb = to_rgb(image)
            return rgb if upright is None else rgb.transpose(upright)
    except MemoryError:
        raise
    except Exception as fault:  # noqa: BLE001  (Pillow's plugins raise whatever a broken file makes them stumble over)
        return Failed(_reason(data, fault))


def pixels_of(data: bytes) -> int:
    """How many pixels reading the picture takes, from its header alone; 0 if it is none, or none that is read."""
    if overladen(data):
        return 0
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return math.prod(_size(image))
    except Exception:  # noqa: BLE001  (what is wrong with it is `decode`'s to say)
        return 0


def _size(image: Image.Image) -> tuple[int, int]:
    """The pixels that reading it takes memory for: a TIFF of few may lie in one huge tile."""
    tags = getattr(image, "tag_v2", {})
    tile = tags.get(ExifTags.Base.TileWidth, 0), tags.get(ExifTags.Base.TileLength, 0)
    return max(image.size, tile, key=math.prod)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes the picture upright, as its metadata say; those that make no sense are no fault of the picture."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001  (as above)
        return None


def to_rgb(image: Image.Image) -> Image.Image:
    """A copy, of any of Pillow's modes, in RGB with 8 bits a channel."""
    if image.mode.startswith("I") or image.mode == "F":
        return _wide_gray(image)
    if image.mode == "CMYK":
        return _cmyk(image)
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        opaque = Image.new("RGB", image.size, _BACKGROUND)
        opaque.paste(colour, mask=colour.getchannel("A"))
        return opaque
    return image.convert("RGB")


def _cmyk(image: Image.Image) -> Image.Image:
    if isinstance(image, JpegImagePlugin.JpegImageFile) and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes every CMYK JPEG for Adobe's, where 0 is full ink (libjpeg.txt)
    if profile := image.info.get("icc_profile"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None  # a broken profile; the plain formula is near enough
        if converted is not None:
            return converted
    return image.convert("RGB")


def _wide_gray(image: Image.Image) -> Image.Image:
    """Linear: 16 bits (12 in some TIFFs) in their full range, 32 bits and floating point in that of their values."""
    tags = getattr(image, "tag_v2", {})
    bits, form = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0], tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]
    numbers = np.asarray(image)
    if bits == 32 and form == 1:  # unsigned, which Pillow does not tell
        numbers = numbers.view(np.uint32)
    values = numbers.astype(np.float32)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)  # in place: scans are large
    np.clip(values, -1e38, 1e38, out=values)
    if image.mode.startswith("I;16"):
        low, high = 0.0, float((1 << bits) - 1)
    else:
        low, high = _range(float(values.min()), float(values.max()), floating=image.mode == "F")
    values -= low
    values *= 255 / max(high - low, 1e-30)
    values += 0.5
    gray = values.astype(np.uint8)
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:  # white is zero
        gray = 255 - gray
    return Image.fromarray(gray, "L").convert("RGB")


def _range(low: float, high: float, *, floating: bool) -> tuple[float, float]:
    """What is black and what is white: the smallest usual range that holds the values, else their own."""
    usual = (1.0, 255.0, 65535.0) if floating else (255.0, 65535.0)
    return (low, high) if low < 0 else (0.0, next((white for white in usual if high <= white), high))


def fit(image: Image.Image, card: Card) -> NDArray[np.uint8]:
    """The pixels that a model gets: uint8 [height, width, 3], made as its card says, antialiased bicubic."""
    height, width = card.input_size
    return _resized(image, (width, height), seen_of(image.size, card))


def seen_of(size: tuple[int, int], card: Card) -> tuple[float, float, float, float]:
    """What a model sees of a picture of this size (width, height): left, top, right, bottom."""
    wide, high = float(size[0]), float(size[1])
    if card.resize == "crop":
        height, width = card.input_size
        scale = min(wide / width, high / height) * card.crop_share
        wide, high = min(width * scale, wide), min(height * scale, high)
    left, top = (size[0] - wide) / 2, (size[1] - high) / 2
    return left, top, left + wide, top + high


def squashed(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """The whole picture as uint8 [side, side, 3], as `fit` makes it for a card that says squash."""
    return _resized(image, (side, side), None)


def _resized(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None
) -> NDArray[np.uint8]:
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box), np.uint8)


def _reason(data: bytes, fault: Exception) -> str:
    """Why bytes are no picture that can be read, for a person; `fault` is what Pillow raised."""
    kinds = (
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or an office document"),
        (b"RIFF", "a sound or video file"),
        (b"8BPS", "a Photoshop file"),
        (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
        (b"%!PS", "a PostScript file"),
    )
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    known = "WebP" if webp else next((kind for start, kind in _BEGINNINGS if data.startswith(start)), None)
    instead = next((kind for start, kind in kinds if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        instead = "a HEIC or AVIF picture, or a video"
    elif instead is None and _is_text(data):
        instead = "text"
    if instead and not known:
        return f"it is {instead}, not a picture in {READABLE}"
    if "truncated" in str(fault).lower() or (webp and len(data) < 8 + int.from_bytes(data[4:8], "little")):
        return "the picture is cut short: the file ends too early"
    if str(fault).startswith("Unsupported"):
        return f"it is a picture of a kind that cannot be read ({fault})"
    if not isinstance(fault, UnidentifiedImageError):
        return "the picture is damaged: what the file says makes no sense"
    if known:
        return f"it begins like a {known} picture, but is damaged, cut short or of a kind that cannot be read"
    return f"it is not a picture in {READABLE}, or its beginning is damaged"


def _is_text(data: bytes) -> bool:
    start = data[:512]
    try:
        # Not final: a character may be cut at the end of what is looked at.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start, final=start == data)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\n\r\t\f" for character in text)
