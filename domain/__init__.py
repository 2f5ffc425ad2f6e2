"""The nouns and pure rules of Latentwatch; imports only the standard library, numpy, pydantic and PyYAML.

The words are those of docs/glossary.md.
"""

if __name__ != "latentwatch.domain":
    raise ImportError("import latentwatch.domain: the folder's own name is not a package's")
