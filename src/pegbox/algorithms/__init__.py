"""Built-in training programs over well-kept libraries, run as ``python -m pegbox.algorithms NAME``.

A program sees nothing but its ``/opt/ml`` tree (``SAGEMAKER_BASE_DIR``) and speaks only through its log, its model folder and
its failure file. It imports nothing else of Pegbox, loads no pickles, and talks to no network. Names, defaults and ranges of
hyperparameters and the names of metrics are those that AWS documents; ``docs/algorithms.md`` tells what differs.
"""
