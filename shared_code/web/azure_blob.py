"""What a blob trigger's handler receives: where the blob is, and nothing of its bytes.

``BlobReference`` is an SDK type in the sense of ``azurefunctions-extensions-base``: annotating a parameter with it turns
on deferred binding, so that the host sends a reference instead of reading the whole blob into the invocation. The
ready-made ``azurefunctions-extensions-bindings-blob`` does the same but imports ``azure.storage.blob`` (and
``azure.identity``) at start and hands over a synchronous client; both must not be imported in one process, since a
binding takes one converter.
"""

import json
from typing import Any

from azurefunctions.extensions import base  # type: ignore[import-untyped]  # it ships no types


class BlobReference(base.SdkType):  # type: ignore[misc]  # untyped base
    """The blob that fired a trigger.

    ``connection`` is the *name* of the app setting that holds the connection, not the connection itself.
    """

    __slots__ = ("connection", "container", "name")

    def __init__(self, container: str, name: str, connection: str = "") -> None:
        self.container = container
        self.name = name
        self.connection = connection

    @classmethod
    def parse(cls, content: str | bytes) -> "BlobReference":
        """Read the content of a ``model_binding_data`` message of source ``AzureStorageBlobs``.

        Raises ValueError for anything but a JSON object with the strings ``ContainerName`` and ``BlobName``.
        """
        fields = json.loads(content)
        match fields:
            case {"ContainerName": str(container), "BlobName": str(name)}:
                return cls(container, name, fields.get("Connection") or "")
        raise ValueError("a blob reference needs ContainerName and BlobName")

    def get_sdk_type(self) -> "BlobReference":
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlobReference) and (self.container, self.name) == (other.container, other.name)

    def __hash__(self) -> int:
        return hash((self.container, self.name))

    def __repr__(self) -> str:
        return f"BlobReference({self.container!r}, {self.name!r})"


class BlobReferenceConverter(base.InConverter, binding="blob", trigger="blobTrigger"):  # type: ignore[misc, call-arg]  # untyped base
    @classmethod
    def check_input_type_annotation(cls, pytype: type) -> bool:
        return issubclass(pytype, BlobReference)

    @classmethod
    def decode(cls, data: Any, *, trigger_metadata: Any, pytype: Any) -> BlobReference | None:  # the worker's signature
        if data is None or data.type is None:
            return None
        if data.type != "model_binding_data":
            raise ValueError(f'unexpected type of data received for the "blob" binding: {data.type!r}')
        return BlobReference.parse(data.value.content)
