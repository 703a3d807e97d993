"""Which names are pictures, which are somebody's half-written file, and which are neither."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif")

# Names under which copying programs, browsers, editors and network drives keep what is not a
# picture yet, or never will be. Compared without regard to case.
TEMPORARY = (
    ".*",  # rsync, Syncthing, Nextcloud, macOS' ._ files, our own claim folder
    "~$*",  # Office
    "~syncthing~*",  # Syncthing on Windows
    "*~",
    "*.part",  # Firefox, KDE, scp tools
    "*.partial",
    "*.filepart",  # WinSCP
    "*.crdownload",  # Chrome
    "*.download",  # Safari
    "*.opdownload",  # Opera
    "*.tmp",
    "*.temp",
    "*.swp",
    "*.!ut",
    "thumbs.db",
    "desktop.ini",
    "ehthumbs.db",
)
# Folders that network drives and archives fill with by-products.
BYPRODUCTS = ("@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information", "lost+found")

_TEMPORARY = re.compile("|".join(translate(pattern) for pattern in TEMPORARY))


def has_picture_ending(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is not finished, or is no one's picture: it gets no mention at all."""
    return _TEMPORARY.match(name.lower()) is not None


def temporary_pattern(name: str) -> str | None:
    """The pattern of `TEMPORARY` by which a name is passed over; None if it fits none."""
    return next((pattern for pattern in TEMPORARY if fnmatchcase(name.lower(), pattern)), None)


def is_hidden_folder(name: str) -> bool:
    """Whether nothing below a folder of this name is looked at."""
    return name.startswith(".") or name.lower() in BYPRODUCTS
