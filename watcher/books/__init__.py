"""The books: do the results and the files balance, what mends them, and why a file is where it is."""
