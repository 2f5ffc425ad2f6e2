"""Records in, decisions out: sources, decoding, context, the scoring loop, dead letters."""

if __name__ != "latentwatch.streams":
    raise ImportError("import latentwatch.streams: the folder's own name is not a package's")
