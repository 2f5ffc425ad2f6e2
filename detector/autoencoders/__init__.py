"""Autoencoders of several kinds behind one shape: trained with torch, served with numpy.

`network` is what serves, `training` what trains (the only importer of torch), `kinds` how the kinds differ in training,
`linear` the kind that needs no torch at all.
"""
