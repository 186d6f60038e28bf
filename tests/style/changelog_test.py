#!/usr/bin/env python3
"""CHANGELOG.md and docs/adr keep their forms."""

import os
import re
import unittest

import tree

_KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
_VERSION = re.compile(
    r"## (\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d)$")
_ADR_HEADINGS = ["Status", "Context", "Decision", "Consequences",
                 "Alternatives"]


class ChangelogTest(tree.StyleTest):

    def test_it_keeps_a_changelog(self):
        text = tree.lines("CHANGELOG.md")
        self.assertEqual(text[0][1], "# Changelog")
        versions = [line for _, line in text if line.startswith("## ")]
        self.assertTrue(versions, "no version is named")
        self.assertEqual(versions[0], "## [Unreleased]")
        for number, line in text:
            where = f"CHANGELOG.md:{number}"
            if line.startswith("## ") and not _VERSION.match(line):
                self.fault(where, "not '## [1.2.3] - 2026-01-31'")
            if line.startswith("### ") and line[4:] not in _KINDS:
                self.fault(where, f"'{line[4:]}' is none of {_KINDS}")

    def test_the_sections_hold_lists(self):
        section = None
        for number, line in tree.lines("CHANGELOG.md"):
            if line.startswith("#"):
                section = line
            elif section and section.startswith("### ") and line.strip():
                if not line.startswith(("- ", "  ")):
                    self.fault(f"CHANGELOG.md:{number}", "is no list item")


class AdrTest(tree.StyleTest):

    def test_each_has_a_date_and_the_five_headings(self):
        for path in tree.files(".md"):
            if os.path.dirname(path) != "docs/adr" or "README" in path:
                continue
            name = os.path.basename(path)
            if not re.fullmatch(r"\d{4}-\d\d-\d\d-[a-z0-9-]+\.md", name):
                self.fault(path, "is not named YYYY-MM-DD-what-about.md")
            headings = re.findall(r"^## (.*)$", tree.read(path), re.M)
            if headings != _ADR_HEADINGS:
                self.fault(path, f"its headings are not {_ADR_HEADINGS}")
            if name not in tree.read("docs/adr/README.md"):
                self.fault("docs/adr/README.md", f"does not list {name}")


if __name__ == "__main__":
    unittest.main()
