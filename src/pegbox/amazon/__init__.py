"""Amazon's built-in algorithms: their inputs and base class. The algorithms themselves come with a later version."""
