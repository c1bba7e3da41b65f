"""Speed and memory of the simulator, measured together with moto in one run."""
