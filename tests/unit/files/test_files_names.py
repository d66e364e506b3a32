"""Names, folders and metadata: what is kept, what is mended and what is refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_code.errors import InvalidInput
from shared_code.files.names import checked_metadata, human_size, safe_filename, safe_folder

NASTY = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from(list("/\\.. \t\r\n\0\x7f\x85\u200e\u200f\u202a\u202e\u2066\u2069\u061c\ufeff\u2028\u0301\u030aeEaA\U0001f600")),
    ),
    max_size=400,
)


@given(NASTY)
def test_a_safe_name_is_safe(name: str) -> None:
    safe = safe_filename(name)
    assert 1 <= len(safe.encode()) <= 255
    assert not set(safe) & set("/\\")
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in safe)
    assert not any(unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI") for c in safe)
    assert safe not in (".", "..")
    assert safe == safe.strip()
    assert unicodedata.is_normalized("NFC", safe)


@given(NASTY)
def test_making_it_safe_twice_changes_nothing(name: str) -> None:
    assert safe_filename(safe_filename(name)) == safe_filename(name)


@given(
    st.text(alphabet=st.characters(categories=("L", "Nd")), min_size=1, max_size=60).map(lambda text: unicodedata.normalize("NFC", text))
)
def test_letters_of_every_script_are_kept(name: str) -> None:
    assert safe_filename(name) == name


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        ("/", "file"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        (" . ", "file"),
        ("a\0b.txt", "ab.txt"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("a\u061cb\u200f.txt", "ab.txt"),
        ("line\r\nbreak.txt", "linebreak.txt"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("e\u202e\u0301.txt", "\u00e9.txt"),
        (".htaccess", ".htaccess"),
        ("lone \ud800 half.txt", "lone  half.txt"),
        ("日本語 ファイル.txt", "日本語 ファイル.txt"),
    ],
)
def test_names(given: str | None, safe: str) -> None:
    assert safe_filename(given) == safe


def test_long_names_keep_their_extension() -> None:
    name = safe_filename("\U0001f600" * 300 + ".jpeg")
    assert name.endswith("\U0001f600.jpeg")
    assert 250 <= len(name.encode()) <= 255
    assert safe_filename("a" * 300 + "." + "b" * 40) == "a" * 255
    assert safe_filename("a" * 254 + " b") == "a" * 254
    assert safe_filename("." * 300 + "a" * 40) == "file"


@given(NASTY)
def test_a_folder_is_a_path_or_refused(path: str) -> None:
    try:
        folder = safe_folder(path)
    except InvalidInput:
        return
    assert folder.startswith("/")
    assert folder.endswith("/")
    assert "//" not in folder
    assert not {"..", "."} & set(folder.split("/"))
    assert len(folder.encode()) <= 512
    assert safe_folder(folder) == folder


@pytest.mark.parametrize(
    ("given", "folder"),
    [(None, "/"), ("", "/"), ("a", "/a/"), ("/a//b/", "/a/b/"), ("a\\b", "/a/b/"), ("./a", "/a/"), ("/photos/2026", "/photos/2026/")],
)
def test_folders(given: str | None, folder: str) -> None:
    assert safe_folder(given) == folder


@pytest.mark.parametrize("bad", ["..", "a/../b", "a\0b", "\ud800", "a" * 600, "a\nb"])
def test_bad_folders(bad: str) -> None:
    with pytest.raises(InvalidInput):
        safe_folder(bad)


@pytest.mark.parametrize("bad", [None, [], "text", 7, True, {"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}, {"a": "x" * 8190}])
def test_bad_metadata(bad: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_metadata(bad)
    assert caught.value.code == "invalid_metadata"


def test_metadata_up_to_eight_kibibytes() -> None:
    assert len(checked_metadata({"a": "x" * (8192 - len('{"a":""}'))})["a"]) == 8184
    deep: dict[str, object] = {}
    inner = deep
    for _ in range(100_000):
        inner["a"] = inner = {}
    with pytest.raises(InvalidInput):
        checked_metadata(deep)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567_890, "1.2 GB"),
        (999_999, "1.0 MB"),
        (5 * 10**15, "5.0 PB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human_size(size) == text


def test_a_name_as_long_as_a_body_costs_nothing() -> None:
    marks = "\u0300" * 200_000 + "\u0323" * 200_000
    assert safe_filename(f"a{marks}.png").endswith(".png")
    with pytest.raises(InvalidInput):
        safe_folder(f"/a{marks}")
