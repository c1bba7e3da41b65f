"""The console: pages in a browser that show what runs, what it waits for and why.

`flowy-sim serve` shows it for the simulations of a server, and `flowy-sim console` for a file or
for Amazon SWF itself. All three are a `flowy_sim._console.source.Source`; pages know nothing else.
`views` has a function for each page, which gathers what the page shows; a template lays it out.
"""
