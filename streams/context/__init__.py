"""What is known of each entity over the whole stream: its past, in what order, and how it outlives a process."""
