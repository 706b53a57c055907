"""Variables of pipelines. Pegbox runs no pipelines; what a script writes down with them is kept as it is."""
