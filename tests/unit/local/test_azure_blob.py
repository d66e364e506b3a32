"""The SDK type of blob triggers: what a worker makes of it."""

import subprocess
import sys

import azure.functions as func
import pytest
from azurefunctions.extensions import base

from local.worker import ModelBindingData
from shared_code.web.azure_blob import BlobReference, BlobReferenceConverter

CONTENT = b'{"Connection": "AzureWebJobsStorage", "ContainerName": "box", "BlobName": "a/b.png"}'


def test_it_is_decoded_by_the_registered_converter() -> None:
    converter = base.get_binding_registry().get("blobTrigger")
    assert converter is BlobReferenceConverter
    datum = base.Datum(ModelBindingData(CONTENT), "model_binding_data")
    blob = converter.decode(datum, trigger_metadata={}, pytype=BlobReference)
    assert (blob.container, blob.name, blob.connection) == ("box", "a/b.png", "AzureWebJobsStorage")
    assert blob == BlobReference("box", "a/b.png")
    assert blob.get_sdk_type() is blob


def test_nothing_and_bytes() -> None:
    assert BlobReferenceConverter.decode(None, trigger_metadata={}, pytype=BlobReference) is None
    with pytest.raises(ValueError, match="unexpected type"):
        BlobReferenceConverter.decode(base.Datum(b"bytes", "bytes"), trigger_metadata={}, pytype=BlobReference)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"null", b'{"ContainerName": 1, "BlobName": "x"}', b"no json"])
def test_malformed_references(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BlobReference.parse(content)


def test_it_is_indexed_as_a_deferred_binding() -> None:
    app = func.FunctionApp()

    @app.blob_trigger(arg_name="blob", path="box/{name}", connection="AzureWebJobsStorage")
    async def on_blob(blob: BlobReference) -> None: ...

    (function,) = app.get_functions()
    registry = base.get_binding_registry()
    assert registry.check_supported_type(BlobReference)
    assert BlobReferenceConverter.check_input_type_annotation(BlobReference)

    class Info:
        pytype = BlobReference

    (raw,), _ = registry.get_raw_bindings(function, {"blob": Info})
    assert '"SupportsDeferredBinding": true' in raw


def test_it_costs_no_storage_sdk_at_start() -> None:
    code = (
        "import sys, shared_code.web.azure_blob as b; sys.exit(any(m.startswith(('azure.storage', 'azure.identity')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # ourselves
