"""The detector for records scored on their own: plain tables, and streams whose records have no past worth knowing.

A record becomes a row of numbers (`features`), meets the normal rows nearest to it (`latentwatch.detector.neighbours`), and is judged
by the components of a recipe (`latentwatch.detector.recipes`). `fitting` trains it, `detector` serves it, `explanation` says
why.
"""
