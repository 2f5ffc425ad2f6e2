"""Levels that step and stay: told once as a question, whether this is the new normal, instead of alarming for ever."""
