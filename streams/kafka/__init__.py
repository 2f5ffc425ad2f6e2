"""Kafka, by two clients: as a member of a consumer group, and looked at from outside any."""
