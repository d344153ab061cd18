"""How well records are read: our labels against people's, on sets kept beside the project."""
