"""The benchmark's methods as data, without the libraries that they need: for rules and plans."""

from pathlib import Path

from common import sources

__all__ = ["load"]


def load():
    """Entries of ``methods.yaml``.

    Returns
    -------
    entries : dict of str to dict
        What `methods.Method.of` takes, by the method's name, in the order of the paper's tables.
    """
    return sources.read_yaml(Path(__file__).with_name("methods.yaml"))
