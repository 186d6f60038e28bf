#include "agent/image/testing/hostile_images.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace innkeeper {
namespace {

constexpr size_t kCluster = 4096;
constexpr size_t kHeader2 = 72;
constexpr size_t kHeader3 = 104;
constexpr uint32_t kBackingFormat = 0xe2792aca;
constexpr uint32_t kDataFile = 0x44415441;
constexpr uint32_t kBitmaps = 0x23852875;
constexpr uint32_t kEncryption = 0x0537be77;

void Put(std::string& bytes, size_t offset, uint64_t value, size_t size) {
  if (bytes.size() < offset + size) bytes.resize(offset + size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[offset + i] = static_cast<char>(value >> 8 * (size - 1 - i));
  }
}

void PutText(std::string& bytes, size_t offset, const std::string& text) {
  if (bytes.size() < offset + text.size()) bytes.resize(offset + text.size());
  bytes.replace(offset, text.size(), text);
}

struct Extension {
  uint32_t type;
  std::string data;
};

// Writes `extensions` behind the header and returns where they end.
size_t PutExtensions(std::string& bytes, size_t offset,
                     const std::vector<Extension>& extensions) {
  for (const Extension& extension : extensions) {
    Put(bytes, offset, extension.type, 4);
    Put(bytes, offset + 4, extension.data.size(), 4);
    PutText(bytes, offset + 8, extension.data);
    offset += 8 + (extension.data.size() + 7) / 8 * 8;
  }
  Put(bytes, offset, 0, 8);
  return offset + 8;
}

// A file name that a header may hold, and what to call it.
struct Lure {
  std::string name;
  std::string text;
};

std::vector<Lure> MakeLures(const HostileTargets& targets) {
  const std::string& file = targets.file;
  const std::string directory = file.substr(0, file.rfind('/'));
  const std::string leaf = file.substr(file.rfind('/') + 1);
  const std::string host = absl::StrCat("127.0.0.1:", targets.port);
  const std::string json_file =
      absl::StrCat(R"({"driver":"file","filename":")", file, R"("})");
  return {
      {"path", file},
      {"path-dots", absl::StrCat("../../../../../../..", file)},
      {"path-slashes", absl::StrCat("///", file)},
      {"path-leaf", leaf},
      {"path-up", absl::StrCat("../", leaf)},
      {"path-base-under", absl::StrCat(kHostileBase, "/../", leaf)},
      {"path-base-nul", absl::StrCat(file, std::string(1, '\0'), "/base.raw")},
      {"path-newline", absl::StrCat("x\n", file)},
      {"path-escape", absl::StrCat("\x1b[2J", file)},
      {"path-latin1", absl::StrCat("\xff\xfe", file)},
      {"path-space", absl::StrCat(" ", file)},
      {"path-comma", absl::StrCat(file, ",driver=raw")},
      {"path-slash-end", absl::StrCat(file, "/")},
      {"path-directory", directory},
      {"path-root", "/"},
      {"path-dot", "."},
      {"path-percent", "%2e%2e/%2e%2e/etc/shadow"},
      {"path-backslash", "\\\\127.0.0.1\\share\\base"},
      {"path-shadow", "/etc/shadow"},
      {"path-fd", "/proc/self/fd/3"},
      {"path-fdset", "/dev/fdset/1"},
      {"path-mem", "/proc/self/mem"},
      {"path-zero", "/dev/zero"},
      {"path-long", absl::StrCat(std::string(1018, '/'), "x")},
      {"file", absl::StrCat("file:", file)},
      {"file-url", absl::StrCat("file://", file)},
      {"file-base", absl::StrCat("file:", kHostileBase)},
      {"json-file", absl::StrCat("json:", json_file)},
      {"json-raw",
       absl::StrCat(R"(json:{"driver":"raw","file":)", json_file, "}")},
      {"json-dotted", absl::StrCat(R"(json:{"file.driver":"file",)",
                                   R"("file.filename":")", file, R"("})")},
      {"json-host-device",
       absl::StrCat(R"(json:{"driver":"host_device","filename":")", file,
                    R"("})")},
      {"json-data-file",
       absl::StrCat(R"(json:{"driver":"qcow2","data-file":)", json_file, "}")},
      {"json-backing",
       absl::StrCat(R"(json:{"driver":"qcow2","backing":)", json_file, "}")},
      {"json-nbd",
       absl::StrCat(R"(json:{"driver":"nbd","server":{"type":"inet",)",
                    R"("host":"127.0.0.1","port":")", targets.port, R"("}})")},
      {"json-nbd-unix",
       absl::StrCat(R"(json:{"driver":"nbd","server":{"type":"unix",)",
                    R"("path":")", targets.socket, R"("}})")},
      {"json-curl", absl::StrCat(R"(json:{"driver":"http","url":"http://)",
                                 host, R"(/base.raw"})")},
      {"json-null", R"(json:{"driver":"null-co","size":1048576})"},
      {"json-broken", "json:{"},
      {"json-base", "json:/base.raw"},
      {"json-deep", absl::StrCat("json:", std::string(900, '['))},
      {"nbd", absl::StrCat("nbd:", host)},
      {"nbd-url", absl::StrCat("nbd://", host, "/base.raw")},
      {"nbd-unix", absl::StrCat("nbd:unix:", targets.socket)},
      {"nbd-unix-url", absl::StrCat("nbd+unix:///?socket=", targets.socket)},
      {"http", absl::StrCat("http://", host, "/base.raw")},
      {"https", absl::StrCat("https://", host, "/base.raw")},
      {"ftp", absl::StrCat("ftp://", host, "/base.raw")},
      {"ssh", absl::StrCat("ssh://", host, "/base.raw")},
      {"iscsi", absl::StrCat("iscsi://", host, "/iqn.x/0")},
      {"nfs", absl::StrCat("nfs://127.0.0.1", file)},
      {"gluster", absl::StrCat("gluster://", host, "/v/base.raw")},
      {"rbd", "rbd:pool/base.raw"},
      {"fat", absl::StrCat("fat:", directory)},
      {"fat-rw", absl::StrCat("fat:rw:", directory)},
      {"blkdebug", absl::StrCat("blkdebug:", file, ":", file)},
      {"blkverify", absl::StrCat("blkverify:", file, ":", file)},
      {"host-device", absl::StrCat("host_device:", file)},
      {"host-cdrom", "host_cdrom:/dev/sr0"},
      {"luks", absl::StrCat("luks:", file)},
      {"null", "null-co://"},
      {"unknown", "x-unknown:/base.raw"},
      {"colon", ":"},
  };
}

void AddBacking(const HostileTargets& targets,
                std::vector<HostileImage>* images) {
  for (const Lure& lure : MakeLures(targets)) {
    for (const int version : {2, 3}) {
      for (const std::string format : {"", "raw", "qcow2"}) {
        // Version 2 with two formats adds nothing to version 3 with them.
        if (version == 2 && format == "qcow2") continue;
        images->push_back({absl::StrCat("backing-", lure.name, "-v", version,
                                        format.empty() ? "" : "-", format),
                           DiskFormat::kQcow2,
                           {},
                           MakeQcow2Over(lure.text, format, version)});
      }
    }
    // The launch declares another file than the header names.
    images->push_back({absl::StrCat("declared-", lure.name),
                       DiskFormat::kQcow2,
                       {{{"main", kHostileBase}, DiskFormat::kRaw}},
                       MakeQcow2Over(lure.text, "raw", 3)});
  }
  const std::vector<LayerSpec> base = {
      {{"main", kHostileBase}, DiskFormat::kRaw}};
  const auto over = [](const std::string& format) {
    return MakeQcow2Over(kHostileBase, format, 3);
  };
  images->push_back(
      {"declared-nothing", DiskFormat::kQcow2, base, MakeGoodQcow2()});
  for (const std::string format : {"qcow2", "vmdk", "nbd", "RAW", "raw "}) {
    images->push_back({absl::StrCat("declared-format-", images->size()),
                       DiskFormat::kQcow2, base, over(format)});
  }
  // The header names this very image.
  for (const std::string name : {"loop-plain", "loop-format"}) {
    images->push_back(
        {name,
         DiskFormat::kQcow2,
         {},
         MakeQcow2Over(name, name == "loop-plain" ? "" : "qcow2", 3)});
  }
}

void AddDataFiles(const HostileTargets& targets,
                  std::vector<HostileImage>* images) {
  int number = 0;
  for (const Lure& lure : MakeLures(targets)) {
    // One in four of them, each with the bits in another way.
    if (number++ % 4 != 0) continue;
    for (const int bits : {0, 1, 2, 3}) {
      std::string bytes = MakeGoodQcow2();
      if ((bits & 1) != 0) Put(bytes, 72, 4, 8);
      if ((bits & 2) != 0) Put(bytes, 88, 2, 8);
      PutExtensions(bytes, kHeader3, {{kDataFile, lure.text}});
      images->push_back({absl::StrCat("data-", lure.name, "-", bits),
                         DiskFormat::kQcow2,
                         {},
                         bytes});
    }
  }
  std::string bytes = MakeGoodQcow2();
  Put(bytes, 72, 4, 8);
  images->push_back({"data-unnamed", DiskFormat::kQcow2, {}, bytes});
}

// One number of a good header changed.
struct Field {
  const char* name;
  size_t offset;
  uint64_t value;
  size_t size;
};

void AddFields(std::vector<HostileImage>* images) {
  const Field fields[] = {
      {"magic", 0, 0x514649fa, 4},
      {"version-0", 4, 0, 4},
      {"version-1", 4, 1, 4},
      {"version-4", 4, 4, 4},
      {"version-max", 4, 0xffffffff, 4},
      {"backing-offset", 8, 512, 8},
      {"backing-offset-max", 8, ~uint64_t{0}, 8},
      {"backing-size", 16, 100, 4},
      {"backing-size-max", 16, 0xffffffff, 4},
      {"cluster-0", 20, 0, 4},
      {"cluster-8", 20, 8, 4},
      {"cluster-22", 20, 22, 4},
      {"cluster-63", 20, 63, 4},
      {"cluster-64", 20, 64, 4},
      {"cluster-max", 20, 0xffffffff, 4},
      {"size-0", 24, 0, 8},
      {"size-1", 24, 1, 8},
      {"size-odd", 24, 513, 8},
      {"size-1pib", 24, uint64_t{1} << 50, 8},
      {"size-max", 24, ~uint64_t{0}, 8},
      {"size-negative", 24, uint64_t{1} << 63, 8},
      {"size-beyond-l1", 24, uint64_t{1} << 40, 8},
      {"crypt-aes", 32, 1, 4},
      {"crypt-luks", 32, 2, 4},
      {"crypt-unknown", 32, 77, 4},
      {"l1-size-0", 36, 0, 4},
      {"l1-size-max", 36, 0xffffffff, 4},
      {"l1-size-bomb", 36, (uint64_t{32} << 20) / 8 + 1, 4},
      {"l1-size-beyond", 36, 1000000, 4},
      {"l1-offset-odd", 40, 7, 8},
      {"l1-offset-beyond", 40, uint64_t{1} << 40, 8},
      {"l1-offset-max", 40, ~uint64_t{0}, 8},
      {"refcount-offset-odd", 48, 9, 8},
      {"refcount-offset-beyond", 48, uint64_t{1} << 50, 8},
      {"refcount-offset-max", 48, ~uint64_t{0}, 8},
      {"refcount-size-0", 56, 0, 4},
      {"refcount-size-max", 56, 0xffffffff, 4},
      {"refcount-size-bomb", 56, 100000, 4},
      {"snapshots-million", 60, 1000000, 4},
      {"snapshots-max", 60, 0xffffffff, 4},
      {"snapshots-beyond", 60, 65536, 4},
      {"feature-5", 72, 32, 8},
      {"feature-63", 72, uint64_t{1} << 63, 8},
      {"feature-all", 72, ~uint64_t{0}, 8},
      {"feature-corrupt", 72, 2, 8},
      {"refcount-order-7", 96, 7, 4},
      {"refcount-order-max", 96, 0xffffffff, 4},
      {"header-0", 100, 0, 4},
      {"header-odd", 100, 107, 4},
      {"header-beyond", 100, 8192, 4},
      {"header-max", 100, 0xffffffff, 4},
  };
  for (const Field& field : fields) {
    std::string bytes = MakeGoodQcow2();
    Put(bytes, field.offset, field.value, field.size);
    images->push_back(
        {absl::StrCat("field-", field.name), DiskFormat::kQcow2, {}, bytes});
  }
  for (const size_t size : {0, 3, 4, 71, 72, 103, 104, 4096, 8192}) {
    images->push_back({absl::StrCat("cut-", size),
                       DiskFormat::kQcow2,
                       {},
                       MakeGoodQcow2().substr(0, size)});
  }
  const Extension extensions[] = {
      {kEncryption, std::string(16, '\0')},
      {kBackingFormat, "raw"},
      {kBackingFormat, ""},
  };
  for (const Extension& extension : extensions) {
    std::string bytes = MakeGoodQcow2();
    PutExtensions(bytes, kHeader3, {extension});
    images->push_back({absl::StrCat("extension-", images->size()),
                       DiskFormat::kQcow2,
                       {},
                       bytes});
  }
  std::string endless = MakeGoodQcow2();
  Put(endless, kHeader3, 0x12345678, 4);
  Put(endless, kHeader3 + 4, 0xfffffff8, 4);
  images->push_back({"extension-endless", DiskFormat::kQcow2, {}, endless});
}

// What a header cannot show: QEMU alone meets it.
void AddDeep(std::vector<HostileImage>* images) {
  const auto add = [&](const std::string& name, std::string bytes) {
    images->push_back({absl::StrCat("deep-", name),
                       DiskFormat::kQcow2,
                       {},
                       std::move(bytes),
                       /*refused=*/false});
  };
  const auto with = [&](const std::string& name, size_t offset,
                        uint64_t value) {
    std::string bytes = MakeGoodQcow2();
    Put(bytes, offset, value, 8);
    add(name, bytes);
  };
  constexpr size_t kRefcountTable = kCluster;
  constexpr size_t kRefcountBlock = 2 * kCluster;
  constexpr size_t kL1 = 3 * kCluster;
  constexpr uint64_t kCopied = uint64_t{1} << 63;
  constexpr uint64_t kCompressed = uint64_t{1} << 62;
  with("l1-beyond", kL1, kCopied | uint64_t{1} << 40);
  with("l1-odd", kL1, kCopied | (kL1 + 512));
  with("l1-itself", kL1, kCopied | kL1);
  with("l1-header", kL1, kCopied);
  with("l1-reserved", kL1, ~uint64_t{0});
  with("l1-refcounts", kL1, kCopied | kRefcountBlock);
  with("refcount-beyond", kRefcountTable, uint64_t{1} << 40);
  with("refcount-odd", kRefcountTable, kRefcountBlock + 1);
  with("refcount-itself", kRefcountTable, kRefcountTable);
  with("refcount-none", kRefcountTable, 0);
  with("refcount-zero", kRefcountBlock, 0);
  with("refcount-many", kRefcountBlock, ~uint64_t{0});
  with("dirty", 72, 1);
  with("bitmaps-unnamed", 88, 1);
  const uint64_t entries[] = {
      kCopied | uint64_t{1} << 40,         // Far beyond.
      kCopied | (kCluster + 1),            // Not on a border.
      kCopied | 0x200,                     // In the header.
      kCompressed | uint64_t{1} << 40,     // Compressed, beyond.
      kCompressed | uint64_t{0x3ff} << 52  // Compressed, endless.
          | (4 * kCluster),
      ~uint64_t{0},
  };
  for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); ++i) {
    std::string bytes = MakeGoodQcow2();
    Put(bytes, kL1, kCopied | (4 * kCluster), 8);
    for (size_t entry = 0; entry < kCluster / 8; ++entry) {
      Put(bytes, 4 * kCluster + 8 * entry, entries[i], 8);
    }
    add(absl::StrCat("l2-", i), bytes);
  }
  // A snapshot whose entry claims more than there is.
  std::string snapshot = MakeGoodQcow2();
  Put(snapshot, 60, 1, 4);
  Put(snapshot, 64, 4 * kCluster, 8);
  snapshot.resize(5 * kCluster, '\xff');
  add("snapshot", snapshot);
  std::string bitmaps = MakeGoodQcow2();
  Put(bitmaps, 88, 1, 8);
  std::string directory;
  Put(directory, 0, 1000, 4);
  Put(directory, 8, 4096, 8);
  Put(directory, 16, uint64_t{1} << 40, 8);
  PutExtensions(bitmaps, kHeader3, {{kBitmaps, directory}});
  add("bitmaps", bitmaps);
}

// Other formats: the bytes of a raw disk, and no qcow2.
void AddOtherFormats(const HostileTargets& targets,
                     std::vector<HostileImage>* images) {
  const std::string& file = targets.file;
  std::string qed = std::string("QED\0", 4);
  PutText(qed, 64, file);
  std::string qcow1 = std::string("QFI\xfb\0\0\0\1", 8);
  Put(qcow1, 8, 48, 8);
  Put(qcow1, 16, file.size(), 4);
  PutText(qcow1, 48, file);
  const Lure kinds[] = {
      {"qcow2", MakeQcow2Over(file, "raw", 3)},
      {"qcow2-json", MakeQcow2Over(absl::StrCat("json:{\"driver\":\"file\","
                                                "\"filename\":\"",
                                                file, "\"}"),
                                   "", 3)},
      {"qcow1", qcow1},
      {"qed", qed},
      {"vmdk-flat",
       absl::StrCat("# Disk DescriptorFile\nversion=1\nCID=fffffffe\n"
                    "parentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"
                    "RW 2048 FLAT \"",
                    file, "\" 0\n")},
      {"vmdk-parent",
       absl::StrCat("# Disk DescriptorFile\nversion=1\nCID=fffffffe\n"
                    "parentCID=12345678\nparentFileNameHint=\"",
                    file, "\"\ncreateType=\"monolithicSparse\"\n")},
      {"vmdk-sparse", absl::StrCat("KDMV", std::string(60, '\1'), file)},
      {"vhdx", absl::StrCat("vhdxfile", std::string(56, '\0'), file)},
      {"vpc", absl::StrCat("conectix", std::string(56, '\0'), file)},
      {"vdi", absl::StrCat("<<< Oracle VM VirtualBox Disk Image >>>\n", file)},
      {"luks", absl::StrCat("LUKS\xba\xbe", std::string(10, '\0'), file)},
      {"parallels", absl::StrCat("WithoutFreeSpace", file)},
      {"bochs", absl::StrCat("Bochs Virtual HD Image", file)},
      {"dmg", absl::StrCat("koly", file)},
  };
  for (const Lure& kind : kinds) {
    std::string bytes = kind.text;
    bytes.resize(16384, '\0');
    images->push_back({absl::StrCat("raw-", kind.name),
                       DiskFormat::kRaw,
                       {},
                       bytes,
                       /*refused=*/false});
    images->push_back(
        {absl::StrCat("as-qcow2-", kind.name), DiskFormat::kQcow2, {}, bytes});
  }
}

}  // namespace

std::string MakeGoodQcow2() {
  std::string bytes(4 * kCluster, '\0');
  PutText(bytes, 0, "QFI\xfb");
  Put(bytes, 4, 3, 4);
  Put(bytes, 20, 12, 4);
  Put(bytes, 24, 1 << 20, 8);
  Put(bytes, 36, 1, 4);
  Put(bytes, 40, 3 * kCluster, 8);
  Put(bytes, 48, kCluster, 8);
  Put(bytes, 56, 1, 4);
  Put(bytes, 96, 4, 4);
  Put(bytes, 100, kHeader3, 4);
  Put(bytes, kCluster, 2 * kCluster, 8);
  for (size_t i = 0; i < 4; ++i) Put(bytes, 2 * kCluster + 2 * i, 1, 2);
  return bytes;
}

std::string MakeQcow2Over(const std::string& file, const std::string& format,
                          int version) {
  std::string bytes = MakeGoodQcow2();
  Put(bytes, 4, static_cast<uint64_t>(version), 4);
  const size_t header = version == 2 ? kHeader2 : kHeader3;
  if (version == 2) bytes.replace(header, 40, std::string(40, '\0'));
  std::vector<Extension> extensions;
  if (!format.empty()) extensions.push_back({kBackingFormat, format});
  const size_t end = PutExtensions(bytes, header, extensions);
  Put(bytes, 8, end, 8);
  Put(bytes, 16, file.size(), 4);
  PutText(bytes, end, file);
  return bytes;
}

std::vector<HostileImage> MakeHostileImages(const HostileTargets& targets) {
  std::vector<HostileImage> images;
  AddBacking(targets, &images);
  AddDataFiles(targets, &images);
  AddFields(&images);
  AddDeep(&images);
  AddOtherFormats(targets, &images);
  return images;
}

}  // namespace innkeeper
