"""The modules that the nodes of a graph hold."""
