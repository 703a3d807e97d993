"""The published sets of labelled pictures that can be fetched, and what is known of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watcher.errors import DataError, UsageError
from watcher.training.examples import find_examples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataSet:
    """A zip archive `root/LABEL/PICTURE`, somewhere on the internet.

    No sum is kept of an archive whose publisher gives none: each member's own CRC, the layout and the counts
    are what an archive is held to.
    """

    name: str
    title: str
    url: str
    root: str  # the folder in the archive that holds the labels' folders
    counts: Mapping[str, int]  # published: pictures of each label
    mebibytes: int  # of the archive, about
    most_bytes: int  # neither the archive nor what is in it is ever larger
    group_by: str  # which part of a file's name is the group
    groups: str  # what a group is, for people
    citation: str
    licence: str

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.counts)

    @property
    def pictures(self) -> int:
        return sum(self.counts.values())


# The figures: S. Rajaraman et al. 2018, https://doi.org/10.7717/peerj.4568.
MALARIA = DataSet(
    name="malaria",
    title="single red blood cells from thin blood smears, with and without malaria parasites",
    url="https://data.lhncbc.nlm.nih.gov/public/Malaria/cell_images.zip",
    root="cell_images",
    counts={"Parasitized": 13_779, "Uninfected": 13_779},
    mebibytes=337,
    most_bytes=1 << 30,
    group_by=r"^C(\d+)",
    groups="slides",
    citation=(
        "Rajaraman S, Antani SK, Poostchi M, et al. Pre-trained convolutional neural networks as feature extractors "
        "toward improved malaria parasite detection in thin blood smear images. PeerJ 2018; 6: e4568."
    ),
    licence="published by the US National Library of Medicine, which states no licence with the archive; cite the paper",
)

DATA_SETS = {known.name: known for known in (MALARIA,)}


def data_set(name: str) -> DataSet:
    """The set called `name`. Raises UsageError where nobody knows it."""
    try:
        return DATA_SETS[name]
    except KeyError:
        raise UsageError(
            f"there is no data set {name!r}; known are: {', '.join(DATA_SETS)}. "
            "Pictures of your own need no fetching: put them into one folder for each label"
        ) from None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder of labelled pictures holds."""

    counts: Mapping[str, int]  # pictures of each label
    groups: int | None  # None where names do not tell

    @property
    def pictures(self) -> int:
        return sum(self.counts.values())


def contents(folder: Path, known: DataSet) -> Contents:
    """Counts the pictures and groups of a fetched folder, by name. Raises DataError if there are none."""
    counts = dict.fromkeys(known.labels, 0)
    try:
        examples, told = find_examples(folder, known.group_by), True
    except DataError:
        examples, told = find_examples(folder), False
    for example in examples:
        counts[example.label] = counts.get(example.label, 0) + 1
    return Contents(counts, len({example.group for example in examples}) if told else None)


def group_by_of(folder: Path) -> str | None:
    """The expression that finds the groups of a folder with the labels of a known set, else None."""
    try:
        inside = {entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")}
    except (OSError, ValueError):
        return None
    return next((known.group_by for known in DATA_SETS.values() if inside == set(known.labels)), None)
