"""Where records come from besides Kafka, and which source a monitor names."""
