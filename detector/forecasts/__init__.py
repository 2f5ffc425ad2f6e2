"""Forecasts of metrics one record ahead, by time of day and of week; beside the components of a sequence detector."""
