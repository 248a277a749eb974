"""Wavelet scattering of signals, images and volumes."""

__all__ = ["HarmonicScattering3D", "Scattering1D", "Scattering2D"]


def __getattr__(name):
    # A transform is imported when it is asked for: importing torch takes a second. The imports are
    # spelt out, so that a notebook's fingerprint follows them.
    if name == "Scattering1D":
        from common.scattering.transform_1d import Scattering1D as transform
    elif name == "Scattering2D":
        from common.scattering.transform_2d import Scattering2D as transform
    elif name == "HarmonicScattering3D":
        from common.scattering.transform_3d import HarmonicScattering3D as transform
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {__all__}.")
    return transform


def __dir__():
    return sorted([*globals(), *__all__])
