#!/usr/bin/env python3
"""What every source file keeps: size, guard, a test, clean words."""

import os
import re
import unittest

import tree

_MAX_LINES = 600
_TESTED = ("agent/", "auth/", "base/", "catalog/", "rpc/", "server/")
# Tests, what tests are made of, and the wiring of a binary.
_NEEDS_NO_TEST = re.compile(r"_test\.cc$|_fuzz\.cc$|/testing/|main\.cc$")
_TEXT = (".cc", ".h", ".py", ".sh", ".proto", ".bazel", ".bzl", ".md")

_INCLUDE = re.compile(r'#include "([^"]+)"')

# Words that tell of work not done, and paths of somebody's own machine.
_FORBIDDEN = re.compile(
    r"\b(TODO|FIXME|XXX|HACK)\b|/(root|wo" r"rk)/|/home/\w")


# A loop over a member of what a call has returned a pointer to.
_DANGLING_RANGE = re.compile(r"\bfor \([^;]* : [^;]*\(\)->\w+\) ")


class SourcesTest(tree.StyleTest):

    def test_no_source_is_too_long_to_review(self):
        for path in tree.files(".cc", ".h"):
            count = len(tree.lines(path))
            if count > _MAX_LINES:
                self.fault(path, f"{count} lines, more than {_MAX_LINES}")

    def test_every_header_has_the_guard_of_its_path(self):
        for path in tree.files(".h"):
            guard = "INNKEEPER_" + re.sub(r"\W", "_", path).upper() + "_"
            text = tree.read(path)
            if (f"#ifndef {guard}\n#define {guard}\n" not in text
                    or not text.endswith(f"#endif  // {guard}\n")):
                self.fault(path, f"the guard must be {guard}")

    def test_every_source_is_under_test(self):
        """Some test includes its header, or what includes it.

        A source without a header of its own is a part of another, and the
        tests of that one are its tests.
        """
        untested = tree.exceptions("untested.txt")
        reached = self._reached_by_tests()
        for path in tree.files(".cc"):
            if not path.startswith(_TESTED) or _NEEDS_NO_TEST.search(path):
                continue
            header = path[:-len(".cc")] + ".h"
            part = not os.path.exists(os.path.join(tree.root(), header))
            tested = part or header in reached
            if not tested and path not in untested:
                self.fault(path, "no test reaches it")
            if tested and path in untested:
                self.fault("tests/style/untested.txt", f"{path} has a test")

    def _reached_by_tests(self):
        known = set(tree.files(".cc", ".h"))
        reached = set()
        waiting = list(tree.files("_test.cc"))
        while waiting:
            path = waiting.pop()
            for header in _INCLUDE.findall(tree.read(path)):
                for found in (header, header[:-len(".h")] + ".cc"):
                    if found in known and found not in reached:
                        reached.add(found)
                        waiting.append(found)
        return reached

    def test_no_exception_outlives_its_file(self):
        for path in tree.exceptions("untested.txt"):
            if not os.path.exists(os.path.join(tree.root(), path)):
                self.fault("tests/style/untested.txt", f"{path} is gone")

    def test_no_source_speaks_of_unfinished_work_or_of_one_machine(self):
        this = os.path.join("tests", "style", "sources_test.py")
        for path in tree.files(*_TEXT):
            if path == this:
                continue
            for number, line in tree.lines(path):
                match = _FORBIDDEN.search(line)
                if match:
                    self.fault(f"{path}:{number}", f"says {match[0]}")

    def test_no_loop_runs_over_what_a_temporary_owns(self):
        # C++17 ends the temporary before the first round of the loop.
        for path in tree.files(".cc", ".h"):
            for number, line in tree.lines(path):
                if _DANGLING_RANGE.search(line):
                    self.fault(f"{path}:{number}",
                               "loops over what a temporary owns; keep that"
                               " in a variable")

    def test_sources_are_as_wide_as_a_terminal(self):
        for path in tree.files(".cc", ".h", ".proto", ".py", ".sh"):
            for number, line in tree.lines(path):
                if len(line) > 80 and not re.search(r"https?://|#include", line):
                    self.fault(f"{path}:{number}", f"{len(line)} columns")


if __name__ == "__main__":
    unittest.main()
