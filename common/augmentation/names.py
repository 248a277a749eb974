"""Names of the augmentations, for what must not wait seconds for torch: rules, tables, figures.

`common.augmentation.catalog` says what they are.
"""

__all__ = ["FAMILIES", "FIXED", "IDENTITY", "PARAMETRIC"]

IDENTITY = "identity"
"""Training without augmentation."""

FAMILIES = {
    "frequency": ("ft-surrogate", "frequency-shift", "bandstop-filter"),
    "time": ("time-reverse", "sign-flip", "gaussian-noise", "smooth-time-mask"),
    "sensors": ("channels-dropout", "channels-shuffle", "channels-symmetry"),
    "rotations": ("sensors-x-rotation", "sensors-y-rotation", "sensors-z-rotation"),
}

FIXED = ("time-reverse", "sign-flip", "channels-symmetry")
"""Those without a parameter."""

PARAMETRIC = tuple(name for members in FAMILIES.values() for name in members if name not in FIXED)
"""Those with one, which the search tries."""
