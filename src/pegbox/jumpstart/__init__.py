"""Names of Amazon's collection of models. Pegbox does not have that collection; these let scripts import them."""
