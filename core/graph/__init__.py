"""What a dynamic network is: nodes, gates, the graph, its policies, its execution and its cost."""
