"""The AWS command line as often as asked for in one process, since it takes a second to start.

Each line that comes in is the arguments of a command, as JSON; the line that goes out for it has
the command's exit status, its output and its errors.
"""

# It is run by the interpreter of the AWS command line, which ships no types.
# mypy: ignore-errors

from __future__ import annotations

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from awscli.clidriver import create_clidriver

for line in sys.stdin:
    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = create_clidriver().main(json.loads(line))
    print(json.dumps([status, output.getvalue(), errors.getvalue()]), flush=True)
