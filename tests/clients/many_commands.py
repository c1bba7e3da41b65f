"""Runs many commands of the AWS CLI in one process, because it takes a second to start.

Each line of the input has the arguments of one command, as JSON. The line of output for it has the
exit status, the output and the errors of the command.
"""

# It is run by the interpreter of the AWS command line, which ships no types.
# mypy: ignore-errors

from __future__ import annotations

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from awscli.clidriver import create_clidriver

driver = create_clidriver()
for line in sys.stdin:
    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = driver.main(json.loads(line))
    print(json.dumps([status, output.getvalue(), errors.getvalue()]), flush=True)
