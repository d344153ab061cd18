"""Mail: what a message looks like, how it is sent, and who asked for which."""
