"""Arguments, results and errors as text that Amazon SWF can carry."""
