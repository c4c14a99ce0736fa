"""Scripts that measure; each prints one JSON object. ``python -m benchmarks`` runs all, or those named."""
