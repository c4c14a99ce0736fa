"""Recorded drives of public datasets as `RecordedDrive`."""
