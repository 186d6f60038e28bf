#!/usr/bin/env python3
"""Reads what Bazel reports of one command and says what passed and failed.

    bazel_results.py STAGE EXIT_CODE EVENTS.json

Prints one line for each test target, "ok STAGE LABEL" or "FAILED STAGE LABEL",
and for each target that did not build. A command without tests counts as one
check by itself. Nothing that Bazel was asked to run can be lost: a test that
was configured and has no verdict has failed, and so has a command that ended
badly without naming a target.

Each test case that a program left out by itself, because of what the machine
lacks, is a line "SKIPPED STAGE LABEL CASE" beside the verdict of the others.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


def read_events(path):
    """The build events in `path`; none if Bazel ended before writing any."""
    try:
        with open(path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]
    except (OSError, json.JSONDecodeError):
        return []


def is_test(configured):
    return configured.get("targetKind", "").endswith("_test rule")


def verdicts(events):
    """Maps each label to whether it is well. Tests are well if they passed."""
    tests, built, passed = set(), {}, {}
    for event in events:
        name = event.get("id", {})
        if "targetConfigured" in name and "configured" in event:
            if is_test(event["configured"]):
                tests.add(name["targetConfigured"]["label"])
        elif "targetCompleted" in name:
            label = name["targetCompleted"]["label"]
            built[label] = event.get("completed", {}).get("success", False)
        elif "testSummary" in name:
            label = name["testSummary"]["label"]
            status = event.get("testSummary", {}).get("overallStatus")
            passed[label] = status == "PASSED"
        elif "aborted" in event:
            for kind in ("unconfiguredLabel", "configuredLabel",
                         "targetConfigured"):
                if kind in name:
                    built[name[kind]["label"]] = False
    return tests, built, passed


def skipped_in(path):
    """The cases that the report of one test in `path` says were skipped."""
    try:
        cases = xml.etree.ElementTree.parse(path).iter("testcase")
    except (OSError, xml.etree.ElementTree.ParseError):
        return []
    return [f"{case.get('classname')}.{case.get('name')}" for case in cases
            if case.get("result") == "skipped"
            or case.find("skipped") is not None]


def skips(events):
    """Pairs of label and case, each once, of all that was skipped."""
    found = set()
    for event in events:
        label = event.get("id", {}).get("testResult", {}).get("label")
        outputs = event.get("testResult", {}).get("testActionOutput", [])
        for output in outputs:
            if label and output.get("name") == "test.xml":
                uri = urllib.parse.urlparse(output.get("uri", ""))
                path = urllib.parse.unquote(uri.path)
                found.update((label, case) for case in skipped_in(path))
    return sorted(found)


def main():
    stage, code, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    events = read_events(path)
    tests, built, passed = verdicts(events)
    results = {}
    for label, well in built.items():
        if not well:
            results[label] = False
    # With a build command no test is run, and none is missing.
    if passed or any(label in results for label in tests):
        for label in tests:
            results[label] = passed.get(label, False)
    if not results or (code != 0 and all(results.values())):
        results["the command"] = code == 0
    for label in sorted(results):
        print("ok" if results[label] else "FAILED", stage, label)
    for label, case in skips(events):
        print("SKIPPED", stage, label, case)


if __name__ == "__main__":
    main()
