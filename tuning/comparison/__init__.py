"""Studies compared: what differs in their definitions, what each found at what cost, and the points that they share."""
