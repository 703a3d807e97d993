"""What can go wrong, as a tree; every message is one line that says what to do.

WatcherError
├── UsageError            the command line asks for something that cannot be (exit code 2)
├── SettingsError         watcher.toml or a job file has faults, all of them listed
├── HomeError             there is no home here, or it cannot be used
│   └── HomeUnavailable   not at the moment: its disk is full, a share is away. Worth a retry
├── ModelError            a model is missing, damaged or refused
│   ├── ModelMissing      not in the registry
│   └── NoTensorFlow      nothing to run a model with
├── DataError             pictures cannot be learned from, or be tested on
├── JobError              a job cannot be run as asked
├── DatabaseError         the results database cannot be opened (results room)
└── WeightsError          a weights file is not what it claims to be (models room)

A picture that cannot be read is *not* here: that is a value, `watcher.vision.Failed`.
"""

from __future__ import annotations

from collections.abc import Iterable


class WatcherError(Exception):
    """It could not be done; the message is the one line a person reads."""


class UsageError(WatcherError):
    """The command was asked for something that makes no sense."""


class SettingsError(WatcherError):
    """A file of settings has faults: one line for each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class HomeError(WatcherError):
    """The home folder is missing or unusable."""


class HomeUnavailable(HomeError):
    """The home cannot be used at the moment: the world's fault, which may mend."""


class ModelError(WatcherError):
    """A model cannot be used."""


class ModelMissing(ModelError):
    """The model is not in the registry."""


class DataError(WatcherError):
    """The labelled pictures do not allow what is asked of them."""


class JobError(WatcherError):
    """A job cannot be run as asked, or a run not be touched any more."""


class NoTensorFlow(ModelError):
    """TensorFlow is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "no TensorFlow here: install it with `pip install 'watcher[cpu]'`, "
            "or `pip install 'watcher[gpu]'` for an NVIDIA GPU"
        )
