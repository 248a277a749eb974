"""Wavelet scattering of signals, images and volumes."""

import importlib

__all__ = ["HarmonicScattering3D", "Scattering1D", "Scattering2D"]

_MODULES = {
    "Scattering1D": "transform_1d",
    "Scattering2D": "transform_2d",
    "HarmonicScattering3D": "transform_3d",
}


def __getattr__(name):
    # A transform is imported when it is asked for: importing torch takes a second.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}.")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)


def __dir__():
    return sorted([*globals(), *__all__])
