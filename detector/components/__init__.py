"""Components: each asks one question of a record, and gives it an anomaly score of its own. One file each.

`latentwatch.detector.recipes` says which of them a detector asks, and how much each counts.
"""
