"""The source tree, as the style tests see it."""

import os
import re
import unittest

_SKIPPED = {".git", ".lab", ".protos", ".venv", "node_modules"}


def root():
    """The top of the checkout, through the link that Bazel made to it."""
    here = os.path.dirname(os.path.realpath(__file__))
    return os.path.dirname(os.path.dirname(here))


def files(*suffixes):
    """Relative paths of all files whose names end in one of `suffixes`."""
    found = []
    for folder, folders, names in os.walk(root()):
        folders[:] = [name for name in folders if name not in _SKIPPED
                      and not os.path.islink(os.path.join(folder, name))]
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(suffixes) and not os.path.islink(path):
                found.append(os.path.relpath(path, root()))
    return sorted(found)


def read(path):
    with open(os.path.join(root(), path), encoding="utf-8") as text:
        return text.read()


def lines(path):
    """Pairs of line number and line."""
    return list(enumerate(read(path).splitlines(), start=1))


def exceptions(name):
    """The first word of each line of tests/style/NAME: the rest says why."""
    path = os.path.join("tests", "style", name)
    allowed = {}
    for number, line in lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+)\s+(\S.*)", line)
        if not match:
            raise ValueError(f"{path}:{number}: no reason is given")
        allowed[match[1]] = match[2]
    return allowed


class StyleTest(unittest.TestCase):
    """A test that collects every fault before it fails."""

    def setUp(self):
        self.faults = []

    def fault(self, where, what):
        self.faults.append(f"{where}: {what}")

    def tearDown(self):
        if self.faults:
            self.fail("\n" + "\n".join(self.faults))
