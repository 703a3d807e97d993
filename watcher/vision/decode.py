"""From the bytes of a file to upright RGB, or to the reason why not."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from watcher.vision.outcome import Failed

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

# Pillow warns of odd metadata, which says nothing to anyone here. (Not catch_warnings: threads share it.)
warnings.filterwarnings("ignore", module=r"PIL\.")

_BACKGROUND = (255, 255, 255)


def decode(data: bytes, max_megapixels: float) -> Image.Image | Failed:
    """The picture in `data` as RGB, its EXIF orientation applied; the first frame where there are several.

    Transparent parts become white; 16 bits a channel are scaled to 8, not clipped. Thread-safe.
    """
    if not data:
        return Failed("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            megapixels = image.width * image.height / 1e6
            if megapixels > max_megapixels:
                return Failed(
                    f"it is {image.width} x {image.height} pixels ({megapixels:.0f} megapixels); at most "
                    f"{max_megapixels:g} megapixels are read (max_megapixels in watcher.toml)"
                )
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        return Failed(_what_instead(data))
    except MemoryError:
        raise
    except Exception as fault:  # noqa: BLE001  (Pillow's plugins raise whatever a broken file makes them stumble over)
        return Failed(_broken(fault))


def pixels_of(data: bytes) -> int:
    """How many pixels the picture says it has, from its header alone; 0 if it is none."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height
    except Exception:  # noqa: BLE001  (what is wrong with it is `decode`'s to say)
        return 0


def to_rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes as RGB, 8 bits a channel."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _wide_gray(image)
    if image.mode == "CMYK" and (profile := image.info.get("icc_profile")):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None  # a broken profile; the plain formula is near enough
        if converted is not None:
            return converted
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        opaque = Image.new("RGB", image.size, _BACKGROUND)
        opaque.paste(colour, mask=colour.getchannel("A"))
        return opaque
    return image.convert("RGB")


def _wide_gray(image: Image.Image) -> Image.Image:
    """16 bits: linear in their full range. 32 bits and floating point: 0..1 if they fit, else their own range."""
    values = np.asarray(image).astype(np.float32)
    values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I") and low >= 0 and high <= 0xFFFF:
        low, high = 0.0, float(0xFFFF)
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    gray = (values - low) * (255 / ((high - low) or 1)) + 0.5
    return Image.fromarray(gray.astype(np.uint8), "L").convert("RGB")


def fit(image: Image.Image, card: Card) -> NDArray[np.uint8]:
    """The pixels that a model gets: uint8 [height, width, 3], made as its card says, antialiased bicubic."""
    height, width = card.input_size
    box = None
    if card.resize == "crop":
        scale = min(image.width / width, image.height / height) * card.crop_share
        wide, high = min(width * scale, image.width), min(height * scale, image.height)
        left, top = (image.width - wide) / 2, (image.height - high) / 2
        box = (left, top, left + wide, top + high)
    small = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(small, np.uint8)


def _what_instead(data: bytes) -> str:
    """What bytes that no plugin knows seem to be."""
    kinds = (
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or an office document"),
        (b"RIFF", "a sound or video file"),
        (b"8BPS", "a Photoshop file"),
        (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
        (b"%!PS", "a PostScript file"),
    )
    instead = next((kind for start, kind in kinds if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        instead = "a HEIC or AVIF picture, or a video"
    elif instead is None and _is_text(data[:512]):
        instead = "text"
    if instead:
        return f"it is {instead}, not a picture in {READABLE}"
    return f"it is not a picture in {READABLE}, or its beginning is damaged"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode()
    except UnicodeDecodeError as fault:
        if fault.start < len(start) - 4:
            return False
        text = start[: fault.start].decode()
    return all(character.isprintable() or character in "\n\r\t\f" for character in text)


def _broken(fault: Exception) -> str:
    message = " ".join(str(fault).split())[:200]
    if "truncated" in message.lower() or isinstance(fault, EOFError):
        return f"the picture is cut short: the file ends too early ({message})"
    return f"the picture is damaged ({message or type(fault).__name__})"
