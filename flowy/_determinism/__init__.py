"""Code that is not the same at each replay: found before and while it runs, and explained.

`code_check` reads the code of a workflow when a worker is created; `guard` watches ``run``;
`differences` compares decisions with the history, and `causes` explains how they differ.
"""
