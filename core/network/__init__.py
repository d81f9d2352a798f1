"""What a dynamic network is: a graph, a policy that sets its gates, one executor, and what an execution cost."""
