"""What is measured: attacks, design, load, site and tagging.

Each is run from the project's folder, as ``python -m benchmarks.site`` is, and says in its own words what it needs.
"""
