from pathlib import Path

from local.triggers.blob import ListedBlob, WatchedFunction, poison_message
from local.triggers.receipts import Receipt, Receipts
from local.worker import Function


def test_receipts_outlive_the_host(tmp_path: Path) -> None:
    first = Receipts(tmp_path / "new" / "receipts.sqlite3")
    first.write("f", "box", "a", Receipt("1", 1, False))
    first.write("f", "box", "a", Receipt("2", 3, True))
    first.write("f", "box", "gone", Receipt("1", 1, True))
    first.write("g", "box", "a", Receipt("9", 1, True))
    first.forget("f", "box", ["gone"])
    first.close()
    second = Receipts(tmp_path / "new" / "receipts.sqlite3")
    assert second.load("f", "box") == {"a": Receipt("2", 3, True)}
    assert second.load("f", "other") == {}
    second.close()


def test_two_hosts_share_one_file(tmp_path: Path) -> None:
    one, two = Receipts(tmp_path / "r"), Receipts(tmp_path / "r")
    one.write("f", "box", "a", Receipt("1", 1, True))
    two.write("g", "box", "a", Receipt("1", 1, True))
    assert two.load("f", "box") == one.load("g", "box") == {"a": Receipt("1", 1, True)}
    one.close()
    two.close()


def test_patterns() -> None:
    function = Function("f", {"type": "blobTrigger"})
    assert WatchedFunction(function, "{name}").wants("a/b.png")
    assert WatchedFunction(function, "").wants("anything")
    assert WatchedFunction(function, "in/{name}.png").wants("in/x/y.png")
    assert not WatchedFunction(function, "in/{name}.png").wants("out/x.png")


def test_the_poison_message_is_the_hosts() -> None:
    message = poison_message(Function("f", {"type": "blobTrigger"}), "box", ListedBlob("a", "0x1", "BlockBlob"))
    assert message == (
        '{"Type": "BlobTrigger", "FunctionId": "Host.Functions.f", "BlobType": "BlockBlob", '
        '"ContainerName": "box", "BlobName": "a", "ETag": "\\"0x1\\""}'
    )
