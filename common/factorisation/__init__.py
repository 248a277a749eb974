"""Non-negative factorisations of power spectrograms, and transforms learned with them."""
