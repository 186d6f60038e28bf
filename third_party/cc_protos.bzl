"""C++ from .proto files by Debian's protoc and grpc_cpp_plugin.

The rules that Bazel brings would build protoc from source; Debian's compiler
belongs to the very library that the result is linked with.
"""

def cc_protos(name, srcs, services = [], deps = [], import_dir = "", roots = [], inputs = [], visibility = None):
    """Generates and compiles messages, and services where there are any.

    Args:
      name: the cc_library that comes out.
      srcs: the .proto files; names are relative to this package, with
        import_dir in front.
      services: those of srcs that declare a service.
      deps: the cc_protos whose files these import.
      import_dir: the folder in this package that import paths start from.
      roots: further -I folders, from the execution root.
      inputs: targets with the .proto files that are imported from elsewhere.
      visibility: of the library.
    """
    strip = len(import_dir) + 1 if import_dir else 0
    stems = [src[:-len(".proto")] for src in srcs]
    service_stems = [src[:-len(".proto")] for src in services]
    headers = [s + ".pb.h" for s in stems] + [s + ".grpc.pb.h" for s in service_stems]
    sources = [s + ".pb.cc" for s in stems] + [s + ".grpc.pb.cc" for s in service_stems]

    repo = native.repository_name().replace("@", "")
    package = native.package_name()
    here = "/".join([p for p in ["external/" + repo if repo else "", package, import_dir] if p])
    out = "/".join([p for p in ["$(RULEDIR)", import_dir] if p])
    includes = ["-I%s" % root for root in [here or "."] + roots + ["/usr/include"]]
    commands = ["protoc %s --cpp_out=%s %s" % (
        " ".join(includes),
        out,
        " ".join([src[strip:] for src in srcs]),
    )]
    if services:
        commands.append("protoc %s --plugin=protoc-gen-grpc=$$(command -v grpc_cpp_plugin) --grpc_out=%s %s" % (
            " ".join(includes),
            out,
            " ".join([src[strip:] for src in services]),
        ))

    native.genrule(
        name = name + "_generate",
        srcs = srcs + inputs,
        outs = headers + sources,
        cmd = " && ".join(commands),
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        # Generated code answers to its generator, not to our warnings.
        copts = ["-w"],
        includes = [import_dir or "."],
        visibility = visibility,
        deps = deps + ["@system//:grpc"],
    )
