"""An estimator of the user's own, for an algorithm of the user's own."""

import sagemaker.estimator


class Estimator(sagemaker.estimator.Estimator):
    """Bring your own algorithm."""
