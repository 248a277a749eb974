"""Errors of the machine against errors of a method, raw and as libraries wrap them."""

import concurrent.futures
import errno
import json
import re
import subprocess

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from common import files
from common.failures import of_machine


def raised(function):
    """The error that a function raises."""
    with pytest.raises(BaseException) as caught:
        function()
    return caught.value


def chained(cause, *, how):
    try:
        try:
            raise cause
        except type(cause) as error:
            if how == "from":
                raise ValueError("the fit failed") from error
            if how == "from none":
                raise ValueError("the fit failed") from None
            raise ValueError("the fit failed")  # noqa: B904
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        raised(lambda: np.empty(2**62, np.uint8)),  # numpy's own class
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EROFS, "Read-only file system"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        ModuleNotFoundError("No module named 'xgboost'"),
        ImportError("libgomp.so.1: cannot open shared object file"),
        EOFError(),
        concurrent.futures.process.BrokenProcessPool("a worker died"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 30.00 GiB"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        RuntimeError("can't start new thread"),
        RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed."),
        ValueError("All the 5 fits failed.\nTraceback …\nMemoryError: Unable to allocate 30 GiB"),
        KeyboardInterrupt(),
        ExceptionGroup("two fits", [ValueError("singular"), MemoryError()]),
    ],
    ids=repr,
)
def test_errors_of_the_machine(error):
    assert of_machine(error)


def test_torch_without_memory_is_of_the_machine():
    # The class is RuntimeError; only the text says what it is.
    error = raised(lambda: torch.empty(2**60, dtype=torch.uint8))
    assert type(error) is RuntimeError
    assert of_machine(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the matrix is singular"),
        np.linalg.LinAlgError("SVD did not converge"),
        FloatingPointError("overflow encountered in exp"),
        ZeroDivisionError("division by zero"),
        ConvergenceWarning("lbfgs failed to converge"),
        RecursionError("maximum recursion depth exceeded"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        KeyError("gamma"),
        ExceptionGroup("two fits", [ValueError("singular"), KeyError("gamma")]),
    ],
    ids=repr,
)
def test_errors_of_a_method(error):
    assert not of_machine(error)


@pytest.mark.parametrize("how", ["from", "from none", "while handling"])
def test_what_a_library_makes_of_an_error_of_the_machine(how):
    assert of_machine(chained(MemoryError("Unable to allocate 30 GiB"), how=how))
    assert not of_machine(chained(KeyError("gamma"), how=how))


def test_a_package_that_was_tried_and_replaced_is_no_error_of_the_machine():
    assert not of_machine(chained(ModuleNotFoundError("No module named 'cupy'"), how="handling"))
    assert of_machine(chained(ModuleNotFoundError("No module named 'xgboost'"), how="from"))


def test_a_chain_that_closes_on_itself_ends():
    error = ValueError("singular")
    error.__cause__, error.__context__ = KeyError("gamma"), error
    error.__cause__.__cause__ = error
    assert not of_machine(error)


def test_scikit_learn_quotes_the_error_of_a_fit_that_fails_everywhere():
    class Starved(LogisticRegression):
        def fit(self, X, y):
            raise MemoryError("Unable to allocate 30 GiB")

    X, y = np.eye(6), np.tile([0, 1], 3)
    error = raised(lambda: GridSearchCV(Starved(), {"C": [1.0]}, cv=2).fit(X, y))
    assert isinstance(error, ValueError)
    assert of_machine(error)


def test_no_search_of_scikit_learn_hides_a_fit_that_fails():
    # By default a fit that fails scores NaN with a warning, whatever it failed of.
    listed = subprocess.run(
        ["git", "ls-files", "common", "papers", "notebooks"],
        cwd=files.ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    calls = []
    for name in listed:
        if name.endswith((".py", ".ipynb", ".yaml")):
            text = files.resolve(name).read_text(encoding="utf-8")
            if name.endswith(".ipynb"):
                cells = json.loads(text)["cells"]
                text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
            # `cross_val_predict` scores nothing: there a fit that fails is an error.
            for call in re.finditer(r"\b(\w+SearchCV|cross_val_score|cross_validate)[(:]", text):
                calls.append((name, text[call.start() : call.start() + 400]))
    assert len(calls) >= 3
    assert [call for call in calls if not re.search(r"error_score\W+raise", call[1])] == []
