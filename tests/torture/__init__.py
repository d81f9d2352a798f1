"""`make torture`: what files, people and computers do to the project, at random, for minutes or hours."""
