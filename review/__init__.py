"""The web app and its HTTP API: pages over the database, read by people."""

if __name__ != "latentwatch.review":
    raise ImportError("import latentwatch.review: the folder's own name is not a package's")
