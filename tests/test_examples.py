"""Where examples come from: folders, links and lists, with whatever names they have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from watcher.errors import DataError
from watcher.training.examples import Example, data_digest, find_examples


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode("utf-8", "surrogateescape"))
    return root


def found(source: Path, group_by: str | None = None) -> set[tuple[str, str, str]]:
    """Name, label and group of each example."""
    return {(e.path.name, e.label, e.group) for e in find_examples(source, group_by)}


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    """Folders below a label's are groups; what is no picture, hidden or half-written is passed over, as is an empty label."""
    put(tmp_path, "cat/1.jpg", "cat/anna/2.PNG", "cat/anna/x/3.tif", "dog/Thumbs.db", "dog/.4.jpg", "dog/5.jpg.part")
    put(tmp_path, "dog/6.jpg", "at the top.jpg", ".git/7.jpg")
    (tmp_path / "empty").mkdir()
    assert found(tmp_path) == {
        ("1.jpg", "cat", "cat/1.jpg"),
        ("2.PNG", "cat", "anna"),
        ("3.tif", "cat", "anna/x"),
        ("6.jpg", "dog", "dog/6.jpg"),
    }


def test_the_order_is_always_the_same(tmp_path: Path) -> None:
    """So that a seed means the same split."""
    put(tmp_path, "b/2.jpg", "a/9.jpg", "b/1.jpg")
    assert [e.path.name for e in find_examples(tmp_path)] == ["9.jpg", "1.jpg", "2.jpg"]


def test_a_name_tells_the_group(tmp_path: Path) -> None:
    """By the first parenthesis, or where there is none, or it stays empty, by all that matches."""
    put(tmp_path, "a/C12P3_1.png", "b/C7_2.png")
    assert {group for _, _, group in found(tmp_path, r"^C(\d+)")} == {"12", "7"}
    assert {group for _, _, group in found(tmp_path, r"^C\d+")} == {"C12", "C7"}
    assert {group for _, _, group in found(tmp_path, r"^C\d+(P\d)?")} == {"P3", "C7"}


def test_odd_names_are_labels_all_the_same(tmp_path: Path) -> None:
    """They come out clean, for they are printed, stored and made folders of."""
    folder = os.fsencode(tmp_path) + b"/l\xff\n"
    os.mkdir(folder)
    with open(folder + b"/p\xfe.png", "wb") as file:
        file.write(b"x")
    put(tmp_path, "Größe 2,5 µm/1.png")
    labels = {example.label for example in find_examples(tmp_path)}
    assert "Größe 2,5 µm" in labels
    assert len(labels) == 2
    assert all(label.isprintable() and label.encode() for label in labels)
    assert all(example.path.is_file() for example in find_examples(tmp_path))


def test_links_are_followed_and_end(tmp_path: Path) -> None:
    """To pictures and to folders; those that lead back are not, however many there are."""
    put(tmp_path / "store", "1.png", "2.png")
    root = put(tmp_path / "set", "a/3.png", "b/4.png")
    (root / "a/1.png").symlink_to(tmp_path / "store/1.png")
    (root / "c").symlink_to(tmp_path / "store")
    for name in ("up", "up again"):
        (root / "a" / name).symlink_to(root)
        (root / "b" / name).symlink_to(root / "b")
    (root / "b/gone.png").symlink_to(root / "nowhere.png")
    assert {(name, label) for name, label, _ in found(root)} == {
        ("3.png", "a"),
        ("1.png", "a"),
        ("4.png", "b"),
        ("gone.png", "b"),
        ("1.png", "c"),
        ("2.png", "c"),
    }


def test_a_folder_linked_under_two_labels_is_found_under_both(tmp_path: Path) -> None:
    """That it contradicts itself is seen later, and said."""
    root = put(tmp_path, "a/1.png")
    (root / "b").symlink_to(root / "a")
    assert {label for _, label, _ in found(root)} == {"a", "b"}


def test_a_list_has_paths_relative_to_itself(tmp_path: Path) -> None:
    """With or without a byte order mark; in any order of columns, with others; perhaps with groups."""
    put(tmp_path, "pictures/1.png")
    text = f"note,label,path\nx,cat,pictures/1.png\ny,dog,{tmp_path}/2.png\n"
    (tmp_path / "list.csv").write_text(text, "utf-8-sig")
    assert find_examples(tmp_path / "list.csv") == (
        Example(tmp_path / "2.png", "dog", f"{tmp_path}/2.png"),
        Example(tmp_path / "pictures/1.png", "cat", "pictures/1.png"),
    )
    (tmp_path / "list.csv").write_text("path,label,group\nC1_9.png,cat,anna\nC2_9.png,dog,\n")
    assert found(tmp_path / "list.csv") == {("C1_9.png", "cat", "anna"), ("C2_9.png", "dog", "C2_9.png")}
    assert {group for _, _, group in found(tmp_path / "list.csv", r"C\d")} == {"C1", "C2"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "whose first line names path and label"),
        (b"path;label\n1.png;cat\n", "whose first line names path and label"),
        (b"file,label\n1.png,cat\n", "whose first line names path and label"),
        (b"path,label\n1.png,cat\n2.png\n", "line 3: a path and a label are needed"),
        (b"path,label\n,cat\n", "line 2: a path and a label are needed"),
        (b"path,label\n\0.png,cat\n", "line 2: a path and a label are needed"),
        (b"path,label\n", "no pictures"),
        (b"path,label\n1.png,cat\n2.png,../x/b\n", "the label '../x/b' cannot be a folder's name"),
        (b"\x89PNG\r\n\x1a\n\xff", "cannot be read as a list of pictures"),
        (b"path,label\n" + b"x" * 200_000, "cannot be read as a list of pictures"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """In one line that names the file."""
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match=said) as refused:
        find_examples(tmp_path / "list.csv")
    assert str(refused.value).startswith(str(tmp_path / "list.csv"))
    assert "\n" not in str(refused.value)


def test_what_cannot_be_found_is_said(tmp_path: Path) -> None:
    """No folder, no pictures, no expression, an expression that finds nothing: each with what to do."""
    put(tmp_path, "cat/1.jpg", "only at the top/../2.jpg")
    with pytest.raises(DataError, match="there is no such folder"):
        find_examples(tmp_path / "nothing")
    with pytest.raises(DataError, match="no pictures: put them into one sub-folder for each label"):
        find_examples(tmp_path / "only at the top")
    with pytest.raises(DataError, match="is no regular expression"):
        find_examples(tmp_path, "(")
    with pytest.raises(DataError, match="finds no group in this name: mend --group-by"):
        find_examples(tmp_path, r"^C\d+")


def test_a_folder_that_is_closed_to_us_is_no_empty_label(open_folder: Path, without_rights) -> None:
    """It would be left out without a word."""
    put(open_folder, "cat/1.jpg", "dog/2.jpg")
    (open_folder / "dog").chmod(0)
    with without_rights(), pytest.raises(DataError, match="dog: cannot be looked into: Permission denied"):
        find_examples(open_folder)


def test_the_digest_is_of_contents_and_labels() -> None:
    """Not of names, groups or the order."""
    ours = [Example(Path("1"), "cat", "x"), Example(Path("2"), "dog", "y")]
    renamed = [Example(Path("8"), "dog", "a"), Example(Path("9"), "cat", "b")]
    assert data_digest(ours, ["aa", "bb"]) == data_digest(renamed, ["bb", "aa"])
    assert data_digest(ours, ["aa", "bb"]) != data_digest(ours, ["bb", "aa"])
