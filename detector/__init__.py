"""Learns what normal looks like and scores what arrives: from features to calibrated surprise and its explanation."""

if __name__ != "latentwatch.detector":
    raise ImportError("import latentwatch.detector: the folder's own name is not a package's")
