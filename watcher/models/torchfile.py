"""Tensors of a legacy torch file (torch before 1.6), read as data: without torch, and no pickle is executed.

Such a file is five pickles (magic number, protocol, system, state, storage keys), then for each key an int64
count and that many raw elements: `_legacy_save` in torch/serialization.py writes it. Unpickling would run
whatever the file names, so a small machine interprets the opcodes instead, and knows only those that describe
tensors.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from watcher.errors import WatcherError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_WIDTHS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_DTYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
_ORDERED_DICT = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"


class WeightsError(WatcherError, ValueError):
    """A weights file is not what it claims to be."""


@dataclass(frozen=True)
class _Global:
    """A name that the pickle asks for; it is compared, never looked up."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """A run of elements, found under `key` after the pickles."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A window on a storage; its offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Every tensor of a legacy torch state dict, by name: read-only float32 or int64, in torch's axis order.

    Raises WeightsError for a file that is foreign, cut short or holds anything but tensors; OSError as usual.
    """
    try:
        return _read(path.read_bytes())
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise WeightsError(f"{path.name} is not a legacy torch file of plain tensors: {error}") from error


def _read(data: bytes) -> dict[str, NDArray[Any]]:
    stream = BytesIO(data)
    if _interpret(stream) != _MAGIC or _interpret(stream) != _PROTOCOL:
        raise WeightsError("no magic number")
    if _interpret(stream)["little_endian"] is not True:
        raise WeightsError("its numbers are big-endian")
    tensors, keys = _interpret(stream), _interpret(stream)
    _check(isinstance(tensors, dict) and all(isinstance(tensor, _Tensor) for tensor in tensors.values()))
    _check(isinstance(keys, list) and all(isinstance(key, str) for key in keys))
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    arrays = _arrays(data, stream.tell(), [storages[key] for key in keys])
    return {name: _view(tensor, arrays[tensor.storage]) for name, tensor in tensors.items()}


def _arrays(data: bytes, start: int, storages: list[_Storage]) -> dict[_Storage, NDArray[Any]]:
    """The storages, which fill the file from `start` to its end, as flat arrays on its bytes."""
    arrays = {}
    for storage in storages:
        if np.frombuffer(data, "<i8", 1, start)[0] != storage.count:
            raise WeightsError(f"storage {storage.key} is not of {storage.count} elements")
        arrays[storage] = np.frombuffer(data, storage.dtype, storage.count, start + 8)
        start += 8 + arrays[storage].nbytes
    if start != len(data):
        raise WeightsError("it goes on after its last storage")
    return arrays


def _view(tensor: _Tensor, array: NDArray[Any]) -> NDArray[Any]:
    """A view, so that no shape in the file claims memory; numpy refuses one that leaves its storage."""
    strides = [stride * array.itemsize for stride in tensor.strides]
    return np.ndarray(tensor.shape, array.dtype, array.data, tensor.offset * array.itemsize, strides)


def _interpret(stream: BytesIO) -> Any:
    """What the next pickle in `stream` describes, in plain containers and the records above."""
    stack: list[Any] = []
    marked: list[list[Any]] = []
    memo: dict[Any, Any] = {}
    for opcode, arg, _ in pickletools.genops(stream):
        match opcode.name:
            case "MARK":
                marked.append(stack)
                stack = []
            case "TUPLE" | "APPENDS" | "SETITEMS" as name:
                items, stack = stack, marked.pop()
                _gather(name, stack, items)
            case name if name in _WIDTHS:
                items = stack[-_WIDTHS[name] :]
                del stack[-_WIDTHS[name] :]
                _gather(name, stack, items)
            case "BINPUT" | "LONG_BINPUT":
                memo[arg] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[arg])
            case name if name not in ("PROTO", "STOP"):
                _step(name, arg, stack)
    return stack.pop()


def _gather(name: str, stack: list[Any], items: list[Any]) -> None:
    """Put items into a new tuple, or into the list or dict on top of the stack."""
    if name.startswith("TUPLE"):
        stack.append(tuple(items))
    elif name.startswith("APPEND"):
        _check(isinstance(stack[-1], list))
        stack[-1].extend(items)
    else:  # text alone may be a key: to hash a hostile one, nested deep, would overflow the C stack
        _check(isinstance(stack[-1], dict) and all(isinstance(key, str) for key in items[::2]))
        stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _step(name: str, arg: Any, stack: list[Any]) -> None:
    """Run an opcode that needs the top of the stack at most."""
    match name:
        case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE":
            stack.append(arg)
        case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE":
            stack.append(_CONSTANTS[name])
        case "EMPTY_LIST":
            stack.append([])
        case "EMPTY_DICT":
            stack.append({})
        case "GLOBAL":
            stack.append(_named(arg))
        case "BINPERSID":
            stack.append(_storage(stack.pop()))
        case "REDUCE":
            args, maker = stack.pop(), stack.pop()
            stack.append(_made(maker, args))
        case "BUILD":  # sets attributes of the state dict, the versions of torch's modules: not needed
            stack.pop()
        case _:
            raise WeightsError(f"it uses the pickle opcode {name}")


def _named(name: str) -> _Global:
    if name not in (_ORDERED_DICT, _TENSOR, *_DTYPES):
        raise WeightsError(f"it asks for {name.replace(' ', '.')}")
    return _Global(name)


def _storage(persistent_id: tuple[Any, ...]) -> _Storage:
    """What torch calls a persistent id, as a record; the view at its end is a relic that must be empty."""
    tag, kind, key, _device, count, view = persistent_id
    _check(tag == "storage" and isinstance(kind, _Global) and isinstance(key, str) and view is None)
    _check(isinstance(count, int) and count >= 0)
    return _Storage(key, _DTYPES[kind.name], count)


def _made(maker: object, args: tuple[Any, ...]) -> object:
    """What a call would make: an empty dict, or a tensor from storage, offset, shape and strides."""
    if maker == _Global(_ORDERED_DICT) and not args:
        return {}
    _check(maker == _Global(_TENSOR) and isinstance(args[0], _Storage))
    storage, offset, shape, strides, *_gradient = args
    return _Tensor(storage, offset, shape, strides)


def _check(expected: bool) -> None:
    if not expected:
        raise WeightsError("its pickles are not laid out as a state dict")
