"""The latent space: a small map of records, learned by autoencoders, that keeps its places from one version to the next.

rows [N, D] -> standardised -> codes [N, K] -> decoded [N, D]

Three members judge, each without one block of time: their residuals and the density of their codes are scored. A fourth
has seen all rows and keeps landmark records in their places: it is what people see, the map, and what decodes.
"""
