"""Colours that colour-blind readers tell apart, and the looks that all papers share."""

__all__ = ["MARKERS", "OKABE_ITO", "SHARED"]

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
    "grey": "#999999",
}
"""The palette of Okabe and Ito, and a grey."""

MARKERS = ["o", "s", "^", "v", "D", "P", "X", "*", "x", "+", "_", "|", "<", ">", "p", "h", "d"]
"""Markers that a method may have, as matplotlib names them."""

SHARED = {
    "truth": {"label": "Truth", "color": "black", "marker": "*"},
    "expert": {"label": "Expert", "color": "black", "marker": "*"},
    "published": {"label": "Published", "color": "grey", "marker": "_"},
}
"""Looks of what every paper may show beside its methods, which ``paper.yaml`` lists."""
