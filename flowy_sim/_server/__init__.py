"""Amazon SWF over HTTP: simulations that any client, in any language, can call.

`flowy-sim serve` runs it; `flowy_sim._server.server.serving` runs it in a thread for tests. It
needs starlette and uvicorn, which come with the extra ``serve``.
"""
