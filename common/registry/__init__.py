"""Data sets of the papers: from their entry in ``data/registry.yaml`` to verified files.

>>> from common import registry
>>> registry.path("eeghdf-spasms")
'data/raw/eeghdf-spasms.h5'

``registry.fetch("eeghdf-spasms")`` obtains that file, once, and returns where it is.
"""

from common.registry._fetch import download_size, fetch, path, status
from common.registry._schema import Entry, RegistryError, load

__all__ = ["Entry", "RegistryError", "download_size", "fetch", "load", "path", "status"]
