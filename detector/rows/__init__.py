"""The detector for records scored on their own: plain tables, and streams whose records have no past worth knowing.

A record becomes a row of numbers (`features`), meets the normal rows nearest to it (`latentwatch.detector.neighbours`), and is judged
by a retrieval denoising autoencoder, the density of its latent code, its distance from its neighbours and from the plane
they span (`scoring`). `fitting` trains it, `detector` serves it, `explanation` says why.
"""
