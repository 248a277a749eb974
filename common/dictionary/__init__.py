"""Convolutional dictionaries of M/EEG recordings: recurrent waveforms and when they occur.

`learn_dictionary` finds atoms (a topography and a waveform each) and their activations,
`activation_events` turns activations into the event times that a point process describes.
"""

from common.dictionary.events import activation_events
from common.dictionary.learning import Dictionary, encode, learn_dictionary, reconstruct

__all__ = ["Dictionary", "activation_events", "encode", "learn_dictionary", "reconstruct"]
