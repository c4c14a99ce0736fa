"""``zoox-stack doctor``: what this machine has and lacks, and how to put it right."""
