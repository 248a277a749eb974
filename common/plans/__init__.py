"""What the rules of each paper ask: units, inputs, parameters and contents of tables.

One module per family of papers, apart from the families: a start of Snakemake imports these, and no
library that computes.
"""
