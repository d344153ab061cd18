"""What runs by command or by schedule: refresh, load, rebuild, backup and the like."""
