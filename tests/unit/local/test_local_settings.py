import json
from pathlib import Path

import pytest

from local import services
from local.settings import (
    LocalConfig,
    StartError,
    body_limit,
    choose_port,
    connection_string,
    export_settings,
    read_host_json,
    read_local_settings,
    resolve,
    seconds,
    service_list,
)


def write(folder: Path, name: str, content: object) -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    local = read_local_settings(write(tmp_path, "local.settings.json", {"Values": {"A": "file", "B": "file", "C": True, "D": 5}}))
    environ = {"A": "environment", "B": ""}
    export_settings(local, environ)
    assert (environ["A"], environ["B"], environ["C"], environ["D"]) == ("environment", "", "true", "5")
    assert (environ["PYTHON_ENABLE_INIT_INDEXING"], environ["ENVIRONMENT"]) == ("1", "local")


def test_host_section(tmp_path: Path) -> None:
    host = {"CORS": "http://a.test, http://b.test/", "CORSCredentials": True, "LocalHttpPort": 7100}
    local = read_local_settings(write(tmp_path, "local.settings.json", {"IsEncrypted": False, "Host": host}))
    assert (local.cors, local.cors_credentials, local.port) == (("http://a.test", "http://b.test"), True, 7100)


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path) == LocalConfig()


@pytest.mark.parametrize("content", ["{", "[]", '{"IsEncrypted": true}', '{"Values": []}'.replace("[]", "[1]")])
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "local.settings.json").write_text(content)
    with pytest.raises(StartError):
        read_local_settings(tmp_path)


def test_host_json(tmp_path: Path) -> None:
    queues = {"messageEncoding": "none", "maxDequeueCount": 3, "visibilityTimeout": "00:00:30", "batchSize": 8}
    root = {"functionTimeout": "00:10:00", "extensions": {"http": {"routePrefix": ""}, "queues": queues}}
    config = read_host_json(write(tmp_path, "host.json", root))
    assert (config.route_prefix, config.plain_queue_messages, config.queue_tries) == ("", True, 3)
    assert (config.queue_retry_delay, config.queue_batch, config.function_timeout) == (30, 8, 600)


def test_host_json_defaults(tmp_path: Path) -> None:
    config = read_host_json(write(tmp_path, "host.json", {"version": "2.0"}))
    assert (config.route_prefix, config.plain_queue_messages, config.queue_tries, config.queue_batch) == ("api", False, 5, 16)


def test_no_host_json_is_no_function_app(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"host\.json"):
        read_host_json(tmp_path)


@pytest.mark.parametrize(
    ("asked", "services", "local_port", "environ", "port"),
    [
        (None, "", None, {}, 7071),
        (None, "", 7100, {}, 7100),
        (9000, "files", 7100, {}, 9000),
        (0, "files", None, {}, 0),
        (None, "files", 7100, {}, 3105),
        (None, "ai", None, {"AZURE_AI_PORT": "4000"}, 4000),
        (None, "files,auth", None, {"FILE_STORAGE_PORT": "4000"}, 7071),
        (None, "all", None, {}, 7071),
    ],
)
def test_ports(asked: int | None, services: str, local_port: int | None, environ: dict[str, str], port: int) -> None:
    assert choose_port(asked, services, LocalConfig(port=local_port), environ) == port


def test_settings_in_bindings() -> None:
    assert resolve("%A%/{name}-%B%", {"A": "x", "B": "y"}) == "x/{name}-y"
    with pytest.raises(KeyError, match="MISSING"):
        resolve("%MISSING%", {})


def test_connections_are_named_by_a_setting() -> None:
    environ = {"AzureWebJobsStorage": "one", "Mine": "two", "AzureWebJobsOther": "three"}
    names = [connection_string(name, environ) for name in (None, "Mine", "Other", "Nowhere")]
    assert names == ["one", "two", "three", None]


def test_time_spans() -> None:
    assert (seconds("00:00:30"), seconds("1.02:03:04"), seconds("00:00:00.5")) == (30, 93784, 0.5)
    with pytest.raises(StartError):
        seconds("soon")


def test_small_ones() -> None:
    assert service_list(" Files, auth,") == "files,auth"
    assert body_limit({}) == 104_857_600
    assert body_limit({"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "5"}) == 5


@pytest.mark.parametrize(
    ("environ", "ours"),
    [
        ({}, True),
        ({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, True),
        ({"AZURE_STORAGE_CONNECTION_STRING": "useDevelopmentStorage=true;", "AzureWebJobsStorage": ""}, True),
        ({"AZURE_STORAGE_CONNECTION_STRING": "AccountName=other"}, False),
        ({"AzureWebJobsStorage__blobServiceUri": "https://other.test"}, False),
    ],
)
def test_azurite_is_ours_unless_another_storage_is_named(environ: dict[str, str], ours: bool) -> None:
    assert services.wants_azurite(environ) is ours


def test_development_storage_is_spelled_out() -> None:
    environ = {"AzureWebJobsStorage": "UseDevelopmentStorage=true", "MINE": "UseDevelopmentStorage=true", "OTHER": "x"}
    services.point_to(services.Ports(1, 2, 3), environ, fill=True)
    assert "BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;QueueEndpoint=http://127.0.0.1:2/" in environ["MINE"]
    assert environ["AZURE_STORAGE_CONNECTION_STRING"] == environ["AzureWebJobsStorage"] == environ["MINE"]
    assert environ["OTHER"] == "x"


def test_triggers_watch_the_storage_of_the_app() -> None:
    environ = {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=other"}
    services.share_named_storage(environ)
    assert environ["AzureWebJobsStorage"] == "AccountName=other"
