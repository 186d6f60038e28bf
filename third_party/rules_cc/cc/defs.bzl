"""The native C++ rules under the names that rules_cc gives them.

Debian's rules_cc 0.0.4 calls use_cpp_toolchain, which Debian's Bazel 4.2.3
does not have, so this repository stands in for it.
"""

cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
