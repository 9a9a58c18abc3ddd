"""What every request goes through: limits, proxies, logs."""
