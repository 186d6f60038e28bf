#!/usr/bin/env python3
"""Includes go down the layers, never up or sideways (docs/layers.md)."""

import os
import re
import unittest

import tree

_INCLUDE = re.compile(r'#include ["<]([^">]+)[">]')

# What the sources under a folder may include of the others, by prefix. The
# longest folder that fits decides.
_MAY_INCLUDE = {
    "base": ["base"],
    "api": ["api", "base", "innkeeper"],
    "auth": ["auth", "base", "innkeeper/v1"],
    "rpc": ["auth", "base", "innkeeper/v1", "rpc"],
    # What both scopes show.
    "catalog": ["auth", "base", "catalog", "innkeeper", "rpc"],
    # L3 on a host: transport ends at auth::Permit.
    "agent": ["agent", "auth", "base"],
    "agent/config": ["agent/config", "auth", "base", "rpc/config_f",
                     "rpc/serving_config"],
    # Speaks to the server, once, before there is a domain.
    "agent/enrol": ["agent/config", "agent/enrol", "auth", "base",
                    "innkeeper", "rpc"],
    "agent/service": ["agent", "auth", "base", "catalog", "innkeeper", "rpc"],
    # The root process and those it starts: as little as can be.
    "agent/launcher": ["agent/launch", "agent/launcher", "base"],
    "agent/keeper": ["agent/keeper", "base"],
    "agent/launch": ["agent/launch", "base"],
    "agent/qmp": ["agent/qmp", "base"],
    "agent/image": ["agent/guest", "agent/image", "base"],
    # L3 over the cluster.
    "server": ["auth", "base", "server"],
    "server/config": ["auth", "base", "rpc/config_f", "rpc/serving_config",
                      "server/config"],
    # The adapters to agents, and what is shown of them.
    "server/hosts": ["auth", "base", "catalog", "innkeeper", "rpc", "server"],
    "server/inventory": ["auth", "base", "catalog", "innkeeper", "rpc",
                         "server"],
    "server/store": ["base", "server/store"],
    "server/service": ["auth", "base", "catalog", "innkeeper", "rpc",
                       "server"],
    "cli": ["api", "auth", "base", "cli", "innkeeper", "rpc"],
    # What others would write: it knows the API only.
    "examples": ["examples", "innkeeper"],
    "bench": [""],
    "tests": [""],
}

# Libraries that carry public messages or a transport into a file.
_TRANSPORT = re.compile(
    r"(grpcpp?/|google/(protobuf|rpc|longrunning|api)/|.*\.pb\.h$)")
_TRANSPORT_FOLDERS = ("agent/enrol/", "agent/service/", "api/", "auth/",
                      "bench/", "catalog/", "cli/", "examples/", "rpc/",
                      "server/hosts/",
                      "server/inventory/", "server/service/", "tests/")

# Of our own top folders, so that <sys/socket.h> is none of our business.
_OWN = ("agent/", "api/", "auth/", "base/", "bench/", "catalog/", "cli/",
        "examples/", "innkeeper/", "rpc/", "server/", "tests/")


# A test may put its subject to work with the rest of its process.
_IS_TEST = re.compile(r"_test\.cc$|/testing/")


def _allowed_for(path):
    folders = [folder for folder in _MAY_INCLUDE
               if path.startswith(folder + "/")]
    if not folders:
        return None
    allowed = list(_MAY_INCLUDE[max(folders, key=len)])
    if _IS_TEST.search(path):
        allowed += _MAY_INCLUDE.get(path.partition("/")[0], [])
    return allowed


# What the domain writes to disk it may describe as a proto of its own, seen by
# sources of the same folder only.
_STORAGE = re.compile(r"(agent|server)/.*\.pb\.h$")


# Wiring sees everything and decides nothing.
_WIRING = ("agent/agent.cc", "agent/agent.h", "server/server.cc",
           "server/server.h")


def _is_main(path):
    return path.endswith("main.cc") or path in _WIRING


class LayersTest(tree.StyleTest):

    def test_includes_go_down(self):
        exceptions = tree.exceptions("layers.txt")
        for path in tree.files(".cc", ".h"):
            if _is_main(path):
                continue
            allowed = _allowed_for(path)
            if allowed is None:
                self.fault(path, "is in no layer that this test knows")
                continue
            for number, line in tree.lines(path):
                match = _INCLUDE.match(line)
                if match and not self._fits(path, match[1], allowed):
                    if f"{path}:{match[1]}" not in exceptions:
                        self.fault(f"{path}:{number}",
                                   f"may not include {match[1]}")

    def _fits(self, path, header, allowed):
        if _STORAGE.match(header):
            return (path.endswith(".cc")
                    and os.path.dirname(path) == os.path.dirname(header))
        if _TRANSPORT.match(header):
            return path.startswith(_TRANSPORT_FOLDERS)
        if not header.startswith(_OWN):
            return True
        return any(header.startswith(prefix) for prefix in allowed)

    def test_every_exception_is_still_needed(self):
        for entry in tree.exceptions("layers.txt"):
            path, header = entry.split(":")
            if f"{header}" not in tree.read(path):
                self.fault("tests/style/layers.txt", f"{entry} is not needed")


if __name__ == "__main__":
    unittest.main()
