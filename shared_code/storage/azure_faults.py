"""What a service's answer means to the ports: the one table of statuses and codes, for SDK calls and for our own requests."""

from ..errors import StorageUnavailable
from .ports import AlreadyExists, EtagMismatch, Missing, StorageError

NOT_CREATED = frozenset({"ContainerNotFound", "TableNotFound", "QueueNotFound"})
BEING_DELETED = frozenset({"ContainerBeingDeleted", "TableBeingDeleted", "QueueBeingDeleted"})
_REFUSED = frozenset({401, 403})
_OVERLOADED = frozenset({408, 429})


def fault(service: str, status: int | None, code: str = "", index: int = 0) -> Exception:
    """The port's exception for an answer of ``status`` with the service's error ``code``; without a status there was no answer.

    ``index`` is the operation of a batch that failed. A redirect counts as no answer: storage sends none.
    """
    if status in _REFUSED:
        # An operator's matter: to a caller, storage is away.
        return StorageUnavailable(f"The {service} storage refuses this app's credentials.")
    if status is None or status < 400 or status >= 500 or status in _OVERLOADED:
        return StorageUnavailable(f"The {service} storage does not answer.")
    if code in BEING_DELETED:
        return StorageUnavailable(f"The {service} storage is still deleting what was there.", retry_after=30)
    if code == "ConditionNotMet" or status == 412:
        return EtagMismatch(index)
    if status == 404 or code == "InvalidBlockList":
        return Missing(index)
    if status == 409:
        return AlreadyExists(index)
    return StorageError(f"{service} storage answered {status} {code}")
