"""Speed and memory of the simulator, measured beside moto in one run."""
