"""What must hold whatever dies: real Kafka, real databases, scorers as processes that are killed, stopped and cut off."""
