raise AssertionError("scanning a package must not run it")
