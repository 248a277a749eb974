"""Self-supervised learning on EEG: what is hidden of a window is predicted from the rest.

Import from the modules: `pretraining.pretrain` makes an encoder of recordings,
`heads.classifier` puts a classifier on one.
"""
