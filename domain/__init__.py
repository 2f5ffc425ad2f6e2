"""The nouns and pure rules of Latentwatch; imports only the standard library, numpy, pydantic and PyYAML.

Glossary, one word per idea:

record      one reading of one entity at one time, typed by the monitor's schema
batch       records as columns, in the order they arrived
position    where a record stands in its source: (source, partition, offset)
context     what a record's recent past says, per entity, causal
encoding    a record's latent code and residuals
energy      an uncalibrated strangeness; never shown to people
score       a calibrated strangeness: surprise = -log10 p, higher is stranger
witness     one calibrated part of a score (reconstruction, density, ...)
alert       consecutive flagged records of one entity, grouped
label       a person's verdict on an alert
bundle      a trained detector on disk, named by its content hash
promotion   the row that makes a model version the champion
"""

if __name__ != "latentwatch.domain":
    raise ImportError("import latentwatch.domain: the folder's own name is not a package's")
