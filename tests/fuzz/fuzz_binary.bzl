"""How a fuzz target is built."""

def fuzz_binary(name, srcs, deps):
    """A libFuzzer binary for `tests/run --long`.

    Links with --config=fuzz only. Seeds, if it has any, lie in
    tests/fuzz/corpus, in a folder of its name without the "_fuzz".

    Args:
      name: ends in "_fuzz".
      srcs: with LLVMFuzzerTestOneInput.
      deps: what is fuzzed.
    """
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        # Bazel links with the C driver, which would leave out UBSan's C++ half.
        linkopts = [
            "-fsanitize-link-c++-runtime",
            "-fsanitize=fuzzer",
        ],
        tags = [
            "fuzz",
            "manual",
        ],
        deps = deps,
    )
