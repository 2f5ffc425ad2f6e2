"""How people call what a component adds to a record's surprise, and what it looks at.

Apart from the components, so that pages can say it without loading what computes.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """What people read."""

    called: str
    looks_at: str


OF_PARTS = {
    "reconstruction": Words("reconstruction", "how badly the autoencoder rebuilds it"),
    "density": Words("density", "how rare its latent code is"),
    # of records that stand alone
    "neighbours": Words("distance", "how far the nearest normal records are"),
    "surroundings": Words("surroundings", "how far it lies from the mean of the normal records nearest to it"),
    "neighbourhood": Words(
        "neighbourhood", "whether the normal records nearest to it are strange themselves, or close together"
    ),
    "tangent": Words("off the surface", "how far it lies beside the normal records around it, and not between them"),
    "predicted": Words("against the rest", "how far a number lies from what the rest of the record predicts"),
    "tails": Words("extremes", "whether many of its values lie at the end of what they usually are"),
    # of sequences
    "now": Words("this record", "whether its values alone, without its past, are usual together"),
    "dyn": Words("dynamics", "whether its recent movement is usual"),
    "shape": Words("shape", "whether the recent window runs as windows usually do"),
    "activity": Words("activity", "whether unusually many parts are moving"),
    "relations": Words("relations", "whether each part shows, over a while, what the others predict of it"),
    "novelty": Words(
        "novelty",
        "parts that never moved and moved, that never stood still and stand, values that never lacked and lack",
    ),
    # of metrics
    "forecast": Words("forecast", "how far off the forecast of its numbers was, for their time of day and of week"),
}
"""By the name of a part."""
OF_FORMER_RELEASES = {
    "components": Words("components", "what all but the forecast say together, against training"),
    "level": Words("level", "whether its values are usual together"),
    "slow": Words("slow change", "whether its values are usual for its slow trend"),
    "pattern": Words("pattern", "whether a window like the recent one was seen before"),
}
"""Of parts that stand in records which models of former releases flagged."""
