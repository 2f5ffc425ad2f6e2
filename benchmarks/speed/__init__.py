"""How fast records become verdicts, beside the client's own limit and beside what people would write instead."""
