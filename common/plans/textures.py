"""What the steps about rectifiers and textures are: their units, and what tables hold."""

from common import registry

__all__ = ["MODELS", "SIMULATED", "Plan"]

MODELS = ["power", "same", "rectifiers", "margin", "harmonics", "filters"]
"""Models that are fitted to each texture."""

SIMULATED = ["turbulence", "leaves", "mosaic"]
"""Textures that are drawn, not read."""


class Plan:
    """Steps of a scale of ``papers/rectifier-textures``.

    Parameters
    ----------
    settings : dict
        Of the scale, as in ``paper.yaml``.
    """

    def __init__(self, settings):
        self.settings = settings

    def tables(self):
        """Gathered tables: groups of parts, and what each group must hold.

        Returns
        -------
        tables : dict of str to list of dict
            ``parts`` (below the folder of results) and ``contract``, see
            `common.report.tables.gather`.
        """
        textures, color = list(self.settings["textures"]), self.settings["color"]
        scores = {"texture": textures, "model": MODELS, "seed": self.settings["seeds"]}
        colors = {"texture": list(color["textures"]), "seed": color["seeds"]}
        return {
            "scores": _gathered("scores", textures, scores),
            "spread": _gathered("spread", textures, {"texture": textures}),
            "colors": _gathered("colors", colors["texture"], colors),
        }

    def pictures(self, wildcards):
        """The file that a texture is cut out of; none for one that is drawn.

        Parameters
        ----------
        wildcards : object
            Of the job, with ``texture``.

        Returns
        -------
        files : list of str
        """
        raw = self._texture(wildcards).get("raw")
        return [registry.path(raw)] if raw else []

    def texture(self, wildcards):
        """How a texture is cut or drawn.

        Parameters
        ----------
        wildcards : object
            Of the job, with ``texture``.

        Returns
        -------
        settings : dict
        """
        return {"size": self.settings["size"]} | self._texture(wildcards)

    def synthesis(self):
        """How images are synthesised: the same for each texture.

        Returns
        -------
        settings : dict
        """
        return self.settings["synthesis"] | {"seeds": self.settings["seeds"]}

    def color(self):
        """The same in colour.

        Returns
        -------
        settings : dict
        """
        return {name: value for name, value in self.settings["color"].items() if name != "textures"}

    def _texture(self, wildcards):
        every = self.settings["textures"] | self.settings["color"]["textures"]
        return every[wildcards.texture]


def _gathered(folder, names, contract):
    return [{"parts": [f"{folder}/{name}.csv" for name in names], "contract": contract}]
