"""What the steps about mixtures of structured and spurious events are passed, and their tables."""

__all__ = ["Plan"]

_METHODS = ("unhap", "marked", "true-labels")
_TIMED = ("unhap", "stochastic", "marked", "rmsprop")
_RATED = ("unhap", "marked", "unmarked")


class Plan:
    """Steps of a scale of ``papers/unhap``.

    A method with ``wildcards`` gives a parameter of one job.

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
        s = self.settings
        noise, labels, time, ecg = s["noise"], s["labels"], s["time"], s["ecg"]
        return {
            "noise": [
                _group(
                    [
                        f"noise/{structure}-{end_time}-{rate}.csv"
                        for end_time in noise["end_times"]
                        for rate in noise["noises"]
                    ],
                    structure=[structure],
                    end_time=noise["end_times"],
                    noise=noise["noises"],
                    seed=_numbers(noise["n_seeds"]),
                    method=list(_METHODS),
                )
                for structure in noise["structures"]
            ],
            "labels": [
                _group(
                    [f"labels/{end_time}.csv" for end_time in labels["end_times"]],
                    end_time=labels["end_times"],
                    adjacency=labels["adjacencies"],
                    noise=labels["noises"],
                    seed=_numbers(labels["n_seeds"]),
                    truth=["simulated", "with offspring"],
                )
            ],
            "time": [
                _group(
                    ["time/fits.csv"],
                    end_time=time["end_times"],
                    repetition=_numbers(time["n_repetitions"]),
                    method=list(_TIMED),
                )
            ],
            "heart-rate": [
                _group(
                    [f"heart-rate/{slot}.csv"],
                    slot=[slot],
                    spurious=[0, *ecg["spurious"]],
                    method=list(_RATED),
                )
                for slot in _numbers(ecg["n_slots"])
            ],
        }

    def noise(self, wildcards):
        """How processes of one structure are simulated with spurious events, and fitted."""
        noise = self.settings["noise"]
        kept = {name: noise[name] for name in ("baseline", "n_seeds")}
        adjacency = noise["structures"][wildcards.structure]
        return {"kernel": self.settings["kernel"], "adjacency": adjacency} | kept

    def labels(self):
        """How processes of each structure are simulated, and their events labelled."""
        labels = self.settings["labels"]
        kept = {name: labels[name] for name in labels if name != "end_times"}
        return {"kernel": self.settings["kernel"]} | kept

    def time(self):
        """How the time of fits is measured."""
        return {"kernel": self.settings["kernel"]} | self.settings["time"]

    def events(self):
        """How beats are found in an ECG."""
        ecg = self.settings["ecg"]
        return {name: ecg[name] for name in ("n_slots", "duration", "sfreq", "band", "atom")}

    def heart_rate(self):
        """How the events of a slot are fitted, with spurious ones and without."""
        ecg = self.settings["ecg"]
        return {name: ecg[name] for name in ("fit", "spurious", "duration")}


def _group(parts, **contract):
    return {"parts": parts, "contract": contract}


def _numbers(n):
    return list(range(n))
