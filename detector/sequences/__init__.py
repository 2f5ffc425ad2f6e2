"""Detectors for records that follow one another: sensors. Causal context per entity at several time scales."""
