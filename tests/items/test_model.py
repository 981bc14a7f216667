"""Model items."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
import threading
from typing import ClassVar

import cloudpickle
import joblib
import numpy as np
import pytest

from datafolio.errors import FolioError, FormatError, MissingDependencyError
from datafolio.items import ModelType
from datafolio.testing.items import BytesPayload, BytesSink, ItemTypeContract


class Plain:
    """A class of a module, as most models' are."""

    def __init__(self, weights):
        self.weights = weights

    def __eq__(self, other):
        return self.weights == other.weights

    __hash__ = None


class Unpicklable:
    def __reduce__(self):
        raise KeyError("the author's mistake")


class TestModelContract(ItemTypeContract):
    item_type = ModelType()
    values: ClassVar = {
        "instance": Plain([1, 2]),
        "none": None,
        "set": {1, 2},
        "large": bytes(300_000),
    }
    refused: ClassVar = {
        "lock": ({"a": threading.Lock()}, r"builtins\.dict can't be pickled: .*lock"),
        "author's mistake": (Unpicklable(), r"Unpicklable can't be pickled: .*mistake"),
    }


def put_and_get(value, directory):
    contract = TestModelContract()
    return contract.decoded(*contract.encoded(value, directory), directory)


def test_a_fitted_estimator_predicts_as_before(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    model = linear.LinearRegression().fit(np.arange(6.0).reshape(3, 2), [1, 2, 3])
    again = put_and_get(model, tmp_path)
    assert again.predict([[5.0, 6.0]]).tolist() == model.predict([[5.0, 6.0]]).tolist()


def test_a_lambda_and_its_closure_come_back(tmp_path):
    factor = 3
    assert put_and_get(lambda x: x * factor, tmp_path)(2) == 6


def test_joblib_reads_the_payload():
    sink = BytesSink()
    told = ModelType().encode({"weights": np.arange(3)}, sink)
    assert told.suffix == ".joblib"
    assert joblib.load(io.BytesIO(sink.written()))["weights"].tolist() == [0, 1, 2]


def test_a_class_defined_in_a_script_is_read_by_another_program(tmp_path):
    write = """
        import sys
        from datafolio.items import ModelType
        from datafolio.testing.items import BytesSink

        class Mine:
            def predict(self):
                return 42

        sink = BytesSink()
        ModelType().encode(Mine(), sink)
        sys.stdout.buffer.write(sink.written())
    """
    data = subprocess.run([sys.executable, "-c", textwrap.dedent(write)], check=True, capture_output=True).stdout
    assert ModelType().decode(BytesPayload(data, tmp_path), {}).predict() == 42


def pickled_from(module, name, directory):
    """A pickle of an instance of a class of a module that is gone afterwards."""
    (directory / f"{module}.py").write_text(f"class {name}: pass\n")
    code = f"""
        import sys, pickle
        sys.path.insert(0, {str(directory)!r})
        import {module}
        sys.stdout.buffer.write(pickle.dumps({module}.{name}()))
    """
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True).stdout


def test_a_missing_module_is_named(tmp_path):
    data = pickled_from("gone_module", "Gone", tmp_path)
    with pytest.raises(MissingDependencyError, match=r"gone_module\.Gone needs the module 'gone_module'"):
        ModelType().decode(BytesPayload(data, tmp_path), {"class": "gone_module.Gone"})


def test_a_missing_class_is_named(tmp_path):
    data = cloudpickle.dumps(Plain).replace(b"Plain", b"Plane")
    with pytest.raises(MissingDependencyError, match="Plane"):
        ModelType().decode(BytesPayload(data, tmp_path), {"class": "x.Plane"})


class Sulks:
    def __setstate__(self, state):
        raise ZeroDivisionError("no")


def test_an_error_of_the_class_itself_says_what_it_was(tmp_path):
    sulking = Sulks()
    sulking.a = 1
    with pytest.raises(FormatError, match="Sulks can't be unpickled: ZeroDivisionError: no"):
        put_and_get(sulking, tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x05.", b"\x80\xff"])
def test_bytes_that_are_no_pickle_are_a_folio_error(data, tmp_path):
    with pytest.raises(FolioError):
        ModelType().decode(BytesPayload(data, tmp_path), {})


def test_it_says_that_decoding_runs_code():
    assert ModelType.runs_code
