"""Fixtures of the tests of SPD matrices."""

import tracemalloc

import pytest


@pytest.fixture
def peak_memory():
    """Function that calls another and returns the bytes it held at most; numpy's are counted."""

    def measure(function):
        tracemalloc.start()
        try:
            function()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure
