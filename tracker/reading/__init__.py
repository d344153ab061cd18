"""What we make of a record: labels and notices, as pure functions over an Article."""
