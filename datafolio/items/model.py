"""Models and any other Python object, pickled."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, ClassVar

from datafolio.errors import FormatError, MissingDependencyError, UnsupportedValueError
from datafolio.items.base import Encoded, ItemType, Payload, Sink
from datafolio.items.sinkfile import SinkFile

__all__ = ["ModelType"]

# Fixed, so that the same object gives the same bytes under every version of Python.
_PROTOCOL = 5


class ModelType(ItemType):
    """Whatever cloudpickle takes: fitted estimators, lambdas, classes defined in a notebook.

    The payload is an ordinary pickle, which ``joblib.load`` reads as well as ``pickle.load``.
    """

    tag: ClassVar[str] = "model"
    runs_code: ClassVar[bool] = True

    def matches(self, value: object) -> bool:  # noqa: ARG002 - any value can be tried
        return True

    def encode(self, value: Any, sink: Sink) -> Encoded:
        import cloudpickle

        file = SinkFile(sink)
        try:
            cloudpickle.dump(value, file, protocol=_PROTOCOL)
        except Exception as error:
            # A class's own __reduce__ may raise anything at all; only the sink's errors are not about the value.
            if file.failure is not None:
                raise file.failure from None
            raise UnsupportedValueError(
                f"a {_class_of(value)} can't be pickled: {error}; "
                f"store a part of it that can, or what is needed to build it again"
            ) from error
        return Encoded(".joblib", {"class": _class_of(value)})

    def decode(self, payload: Payload, facts: Mapping[str, Any], **options: Any) -> Any:  # noqa: ARG002 - the contract's
        data = payload.read()
        kind = facts.get("class", "object")
        try:
            return pickle.loads(data)  # noqa: S301 - `runs_code`: the caller has asked whether the folio is trusted
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"reading the {kind} needs the module {error.name!r}, which is not installed here; "
                f"install the package that has it"
            ) from error
        except (ImportError, AttributeError) as error:
            raise MissingDependencyError(
                f"reading the {kind} failed: {error}; its class has moved or its package has another version here"
            ) from error
        except Exception as error:
            # Unpickling runs the classes' own code, which may raise anything at all.
            raise FormatError(f"the {kind} can't be unpickled: {type(error).__name__}: {error}") from error


def _class_of(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
