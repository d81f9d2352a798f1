"""Each fault that people met or attackers found, done once more as they did it, against this checkout or an older one."""
