"""Chain outbox, commitments, verification, statements."""
