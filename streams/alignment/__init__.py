"""Records in long form, one value each, aligned into rows: one for each entity and tick of time."""
