"""What the steps about processes driven by stimuli are passed, and what their tables hold."""

__all__ = ["Plan"]

_DRIVEN = ("auditory", "visual")
_UNDRIVEN = ("heartbeat", "blink")


class Plan:
    """Steps of a scale of ``papers/dripp``.

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
        recovery, time, sensitivity = s["recovery"], s["time"], s["sensitivity"]
        swept = {"record": _numbers(sensitivity["n_records"]), "process": list(_DRIVEN)}
        return {
            "recovery": [
                _group(
                    [f"recovery/{end_time}.csv" for end_time in recovery["end_times"]],
                    kernel=list(recovery["kernels"]),
                    T=recovery["end_times"],
                    share=recovery["shares"],
                    seed=_numbers(recovery["n_seeds"]),
                )
            ],
            "time": [
                _group(
                    ["time/em.csv"], T=time["end_times"], repetition=_numbers(time["n_repetitions"])
                )
            ],
            "responses": [
                _group(
                    [f"responses/{process}.csv"],
                    process=[process],
                    record=_numbers(self._n_records(process)),
                )
                for process in (*_DRIVEN, *_UNDRIVEN)
            ],
            "thresholds": [
                _group(
                    ["sensitivity/thresholds.csv"], **swept, percentile=sensitivity["percentiles"]
                )
            ],
            "supports": [
                _group(["sensitivity/supports.csv"], **swept, upper=sensitivity["uppers"])
            ],
            "atoms": [
                _group([f"atoms/{dataset}.csv"], dataset=[dataset])
                for dataset in s["atoms"]["datasets"]
            ],
        }

    def recovery(self):
        """The simulation whose parameters are recovered, without the lengths of its records."""
        return _without(self.settings["recovery"], "end_times")

    def time(self):
        """How the time of the fit is measured, and the process that is fitted."""
        recovery = self.settings["recovery"]
        time = self.settings["time"]
        truth = {"sigma": recovery["kernels"][time["kernel"]], "truth": recovery["truth"]}
        return _without(time, "kernel") | truth

    def session(self):
        """How a session with stimuli is simulated: its length, stimuli, and four processes."""
        return self.settings["session"]

    def responses(self, wildcards):
        """How sessions are simulated, and one process of each is fitted and tested."""
        n_records = self._n_records(wildcards.process)
        tested = {"n_records": n_records, "n_shifts": self.settings["responses"]["n_shifts"]}
        return {"session": self.session()} | tested

    def thresholds(self):
        """How activations are simulated, and thresholds put on them."""
        return {"session": self.session()} | _without(self.settings["sensitivity"], "uppers")

    def supports(self):
        """How sessions are simulated, and which supports are tried."""
        kept = {key: self.settings["sensitivity"][key] for key in ("n_records", "uppers")}
        return {"session": self.session()} | kept

    def recording(self, wildcards):
        """How atoms are learnt from a data set of MNE's."""
        return self.settings["atoms"]["mne"][wildcards.dataset]

    def atoms(self, wildcards):
        """How the responses of the atoms of a data set are estimated."""
        atoms = self.settings["atoms"]
        return {"support": atoms["supports"][wildcards.dataset]} | atoms["resampling"]

    def _n_records(self, process):
        key = "n_driven" if process in _DRIVEN else "n_undriven"
        return self.settings["responses"][key]


def _group(parts, **contract):
    return {"parts": parts, "contract": contract}


def _numbers(n):
    return list(range(n))


def _without(settings, *names):
    return {key: value for key, value in settings.items() if key not in names}
