"""How pages are served: addresses, sign-in, security, caching, limits and Datasette's insides."""
