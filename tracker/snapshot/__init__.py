"""What outlives the site: all that is public, as of one moment, in a folder that needs no server."""
