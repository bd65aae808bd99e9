"""Writes cliff.txt: what cliff itself prints for the options of a list.

Run with Debian's python3-cliff: /usr/bin/python3 golden.py > cliff.txt
The rows are those of output_test.go. YAML is left out: ours says the same with
other quotation marks.
"""
import io
import logging
import types

from cliff import lister

COLUMNS = ["Domain name", "Status", "Address", "Port"]
ROWS = [
    ["controller-0.lab", "running", "::", 6230],
    ['a very long domain-name, "quoted" back\\slash', "down", "2001:db8:1234:5678:9abc:def0:1234:5678", 16231],
    ["n\u00f8de,x", "error", "127.0.0.1", 623],
    ["x", None, "a\nb", 7],
]
CASES = """\

--max-width 60
--max-width 50
--max-width 40
--max-width 20
--max-width 200
--max-width 0
--fit-width
-c Port -c Status
-c Port -c Nothing
-f value
-f value -c Port
-f json
-f json --noindent
-f json --noindent -c Status
-f csv
-f csv --quote all
-f csv --quote minimal
-f csv --quote minimal -c Status
-f csv --quote none
--sort-column Port
--sort-column Port --sort-descending
--sort-column Status
--sort-column Status --sort-descending -f value
--sort-column Nothing --sort-column Address -f value --sort-ascending
"""


def show(args, rows):
    class List(lister.Lister):
        def take_action(self, parsed_args):
            return COLUMNS, rows

    out = io.StringIO()
    command = List(types.SimpleNamespace(stdout=out, hookmanager=None), None)
    command.run(command.get_parser("list").parse_args(args.split()))
    return out.getvalue()


logging.disable()
for case in CASES.splitlines():
    print("$ " + case)
    print(show(case, ROWS), end="")
for case in ["", "--print-empty", "-f json", "-f json --noindent", "-f csv", "-f value", "--print-empty -c Port"]:
    print("$ empty " + case)
    print(show(case, []), end="")
