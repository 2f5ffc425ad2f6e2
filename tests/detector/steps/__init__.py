"""Tests of lasting changes."""
