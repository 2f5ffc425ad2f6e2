"""Real Kafka, PostgreSQL and MLflow on one machine, without containers: for developing and for the test suite.

`python -m deploy.services up | down | status | env`. Every service keeps to a private folder and free loopback ports.
"""
