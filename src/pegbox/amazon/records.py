"""Records of built-in algorithms; in the AWS SDK this module is ``sagemaker.amazon.common``."""

from __future__ import annotations

from pegbox._sdk.recordio import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor

__all__ = ["write_numpy_to_dense_tensor", "write_spmatrix_to_sparse_tensor"]
