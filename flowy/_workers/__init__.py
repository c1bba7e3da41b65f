"""Workers: loops that wait for tasks, do them and answer; alone, side by side, in processes."""
