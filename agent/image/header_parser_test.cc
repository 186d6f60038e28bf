#include "agent/image/header_parser.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "agent/guest/disk_spec.h"
#include "base/file.h"
#include "base/reason.h"
#include "base/testing/status_matchers.h"
#include "base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace innkeeper {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kMebibyte = 1 << 20;

void Put(std::string& bytes, size_t offset, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    bytes[offset + i] = static_cast<char>(value >> 8 * (size - 1 - i));
  }
}

class HeaderParserTest : public testing::Test {
 protected:
  HeaderParserTest()
      : directory_(absl::StrCat(testing::TempDir(), "/i.XXXXXX")) {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  }

  std::string Path(const std::string& name) {
    return absl::StrCat(directory_, "/", name);
  }

  // Runs qemu-img, which stands for the images that users bring.
  void QemuImg(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "/usr/bin/qemu-img");
    arguments.insert(arguments.begin() + 2, "-q");
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    char* const envp[] = {nullptr};
    pid_t child = 0;
    ASSERT_EQ(posix_spawn(&child, argv[0], nullptr, nullptr, argv.data(), envp),
              0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }

  absl::StatusOr<ImageInfo> Read(const std::string& path, DiskFormat format,
                                 const LayerSpec* beneath = nullptr) {
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return ReadImageInfo(fd.get(), format, beneath, "pools/p/volumes/v");
  }

  // The bytes of a valid image of version 3.
  std::string GoodImage() {
    QemuImg({"create", "-f", "qcow2", Path("good"), "64M"});
    return *ReadFile(Path("good"), 4 << 20);
  }

  absl::StatusOr<ImageInfo> Parse(const std::string& bytes,
                                  const LayerSpec* beneath = nullptr) {
    return ParseQcow2Header(bytes.substr(0, 65536),
                            static_cast<int64_t>(bytes.size()), beneath, "v");
  }

  // An image whose header names `file`, and no format unless it is given.
  std::string ImageOver(const std::string& file,
                        const std::string& format = "") {
    std::string bytes = GoodImage();
    std::string extensions;
    if (!format.empty()) {
      extensions = std::string(8, '\0');
      Put(extensions, 0, 0xe2792aca, 4);
      Put(extensions, 4, format.size(), 4);
      extensions += format;
      extensions.resize((extensions.size() + 7) / 8 * 8, '\0');
    }
    extensions.resize(extensions.size() + 8, '\0');
    bytes.replace(112, extensions.size(), extensions);
    Put(bytes, 8, 112 + extensions.size(), 8);
    Put(bytes, 16, file.size(), 4);
    bytes.replace(112 + extensions.size(), file.size(), file);
    return bytes;
  }

  std::string directory_;
};

TEST_F(HeaderParserTest, ImagesOfQemuImgAreRead) {
  QemuImg({"create", "-f", "qcow2", Path("v3"), "64M"});
  QemuImg({"create", "-f", "qcow2", "-o", "compat=0.10", Path("v2"), "1G"});
  QemuImg({"create", "-f", "qcow2", "-o",
           ("cluster_size=2M,extended_l2=on,lazy_refcounts=on,"
            "compression_type=zstd"),
           Path("full"), "10G"});
  QemuImg(
      {"create", "-f", "qcow2", "-o", "cluster_size=512", Path("tiny"), "1M"});

  const auto v3 = Read(Path("v3"), DiskFormat::kQcow2);
  ASSERT_THAT(v3, IsOk());
  EXPECT_EQ(v3->version, 3);
  EXPECT_EQ(v3->cluster_bits, 16);
  EXPECT_EQ(v3->virtual_bytes, 64 * kMebibyte);
  EXPECT_GT(v3->file_bytes, 0);
  const auto v2 = Read(Path("v2"), DiskFormat::kQcow2);
  ASSERT_THAT(v2, IsOk());
  EXPECT_EQ(v2->version, 2);
  EXPECT_EQ(v2->virtual_bytes, 1024 * kMebibyte);
  const auto full = Read(Path("full"), DiskFormat::kQcow2);
  ASSERT_THAT(full, IsOk());
  EXPECT_EQ(full->cluster_bits, 21);
  EXPECT_THAT(Read(Path("tiny"), DiskFormat::kQcow2), IsOk());
}

TEST_F(HeaderParserTest, ARawImageStaysRawWhateverItContains) {
  std::string bytes = GoodImage();
  bytes.resize(kMebibyte);
  ASSERT_THAT(WriteFileAtomically(Path("good"), bytes, 0600), IsOk());

  const auto info = Read(Path("good"), DiskFormat::kRaw);

  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->format, DiskFormat::kRaw);
  EXPECT_EQ(info->virtual_bytes, kMebibyte);
}

TEST_F(HeaderParserTest, WhatIsNotQcow2IsRefusedAsSuch) {
  for (const std::string& bytes :
       {std::string(), std::string("QFI"), std::string(1 << 16, 'x'),
        std::string("QFI\xfb", 4)}) {
    ASSERT_THAT(WriteFileAtomically(Path("x"), bytes, 0600), IsOk());
    const auto info = Read(Path("x"), DiskFormat::kQcow2);
    EXPECT_THAT(info, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("no qcow2 image")));
    EXPECT_THAT(info, HasReason(reason::kImageUnsupported));
  }
}

TEST_F(HeaderParserTest, ABackingFileThatWasNotDeclaredIsRefused) {
  QemuImg({"create", "-f", "raw", Path("base"), "1M"});
  QemuImg({"create", "-f", "qcow2", "-b", Path("base"), "-F", "raw",
           Path("overlay")});

  const auto info = Read(Path("overlay"), DiskFormat::kQcow2);

  EXPECT_THAT(info, StatusIs(absl::StatusCode::kFailedPrecondition,
                             AllOf(HasSubstr("backing file '/"),
                                   HasSubstr("`backing`"))));
  EXPECT_THAT(info, HasReason(reason::kImageUnsupported));
}

TEST_F(HeaderParserTest, ABackingFileIsTakenAsDeclaredByItsLastElement) {
  QemuImg({"create", "-f", "qcow2", Path("base"), "1M"});
  QemuImg({"create", "-f", "qcow2", "-b", Path("base"), "-F", "qcow2",
           Path("overlay"), "2M"});
  QemuImg({"create", "-f", "qcow2", "-o", "compat=0.10", "-b", Path("base"),
           "-F", "qcow2", Path("old")});
  const LayerSpec base = {{"elsewhere", "base"}, DiskFormat::kQcow2};

  const auto info = Read(Path("overlay"), DiskFormat::kQcow2, &base);

  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->virtual_bytes, 2 * kMebibyte);
  EXPECT_THAT(Read(Path("old"), DiskFormat::kQcow2, &base), IsOk());
}

TEST_F(HeaderParserTest, ALayerThatTheHeaderDoesNotNameIsRefused) {
  const LayerSpec base = {{"p", "base"}, DiskFormat::kRaw};

  EXPECT_THAT(Parse(GoodImage(), &base),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("leave that out of `backing`")));
  ASSERT_THAT(WriteFileAtomically(Path("x"), std::string(512, 'x'), 0600),
              IsOk());
  EXPECT_THAT(Read(Path("x"), DiskFormat::kRaw, &base),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("nothing beneath")));
}

TEST_F(HeaderParserTest, OnlyAPlainPathToTheDeclaredNameAgrees) {
  struct Case {
    std::string file;
    const char* message;  // Null: it agrees.
  };
  const Case cases[] = {
      {"base", nullptr},
      {"./base", nullptr},
      {"../../other/base", nullptr},
      {"/var/lib/images/base", nullptr},
      {"/odd:dir/base", nullptr},
      {"base2", "name the volume that was meant"},
      {"Base", "name the volume that was meant"},
      {"base/", "name the volume that was meant"},
      {"base/.", "name the volume that was meant"},
      {"/etc/shadow", "name the volume that was meant"},
      {"json:{\"driver\":\"file\",\"filename\":\"/base\"}", "more than"},
      {"json:/base", "more than"},
      {"nbd://host/base", "more than"},
      {"nbd:unix:/run/x/base", "more than"},
      {"file:base", "more than"},
      {"fat:rw:/base", "more than"},
      {"https://host/base", "more than"},
      {"blkdebug::base", "more than"},
      {":/base", "more than"},
      {std::string("/etc/shadow\0/base", 17), "more than"},
      {"x\n/base", "more than"},
      {"\x1b[2J/base", "more than"},
      {std::string(1019, 'd') + "/base", "malformed"},
  };
  const LayerSpec base = {{"p", "base"}, DiskFormat::kRaw};
  for (const Case& c : cases) {
    const auto info = Parse(ImageOver(c.file), &base);
    if (c.message == nullptr) {
      EXPECT_THAT(info, IsOk()) << c.file;
    } else {
      EXPECT_THAT(info, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr(c.message)))
          << c.file;
    }
  }
}

TEST_F(HeaderParserTest, ABackingFormatAgreesWithTheDeclaredOne) {
  const LayerSpec raw = {{"p", "base"}, DiskFormat::kRaw};
  const LayerSpec qcow2 = {{"p", "base"}, DiskFormat::kQcow2};

  EXPECT_THAT(Parse(ImageOver("base", "raw"), &raw), IsOk());
  EXPECT_THAT(Parse(ImageOver("base", "qcow2"), &qcow2), IsOk());
  EXPECT_THAT(Parse(ImageOver("base", "qcow2"), &raw),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("correct the format in `backing`")));
  for (const char* format : {"raw ", "RAW", "vmdk", "nbd", "host_device"}) {
    EXPECT_FALSE(Parse(ImageOver("base", format), &raw).ok()) << format;
  }
}

TEST_F(HeaderParserTest, WhatIsSaidOfAFileIsShownWithoutControlCharacters) {
  const auto info = Parse(ImageOver("\x1b]0;x" + std::string(500, 'y')));

  EXPECT_THAT(info, StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("\\x1b]0;x")));
  EXPECT_LT(info.status().message().size(), size_t{300});
}

TEST_F(HeaderParserTest, ExtensionsBeyondWhatIsReadAreRefused) {
  QemuImg(
      {"create", "-f", "qcow2", "-o", "cluster_size=2M", Path("wide"), "64M"});
  std::string bytes = *ReadFile(Path("wide"), 16 << 20);
  ASSERT_THAT(Parse(bytes), IsOk());
  // One of no meaning up to what is read, and whatever there is after it.
  Put(bytes, 112, 0x12345678, 4);
  Put(bytes, 116, 65536 - 120, 4);

  EXPECT_THAT(Parse(bytes), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("extensions are malformed")));
}

TEST_F(HeaderParserTest, AnExternalDataFileIsRefused) {
  QemuImg({"create", "-f", "qcow2", "-o",
           absl::StrCat("data_file=", Path("data"), ",data_file_raw=on"),
           Path("image"), "1M"});

  EXPECT_THAT(Read(Path("image"), DiskFormat::kQcow2),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("another file")));
}

TEST_F(HeaderParserTest, AnEncryptedImageIsRefused) {
  // Not LUKS, for which qemu-img measures the processor, and gives up on one
  // that is busy.
  QemuImg({"create", "--object", "secret,id=s,data=abc", "-f", "qcow2", "-o",
           "encrypt.format=aes,encrypt.key-secret=s", Path("image"), "1M"});

  EXPECT_THAT(
      Read(Path("image"), DiskFormat::kQcow2),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("encrypted")));
}

TEST_F(HeaderParserTest, EachHostileFieldIsRefused) {
  struct Case {
    const char* message;
    std::function<void(std::string&)> spoil;
  };
  const Case cases[] = {
      {"version is 4", [](std::string& b) { Put(b, 4, 4, 4); }},
      {"version is 1", [](std::string& b) { Put(b, 4, 1, 4); }},
      {"backing file", [](std::string& b) { Put(b, 8, 512, 8); }},
      {"backing file",
       [](std::string& b) {
         Put(b, 8, 104, 8);
         Put(b, 16, 10, 4);
       }},
      {"backing file",
       [](std::string& b) {
         Put(b, 8, 65530, 8);
         Put(b, 16, 10, 4);
       }},
      {"backing file",
       [](std::string& b) {
         Put(b, 8, ~uint64_t{0}, 8);
         Put(b, 16, 10, 4);
       }},
      {"backing file",
       [](std::string& b) {
         Put(b, 8, 512, 8);
         Put(b, 16, 1024, 4);
       }},
      {"backing file", [](std::string& b) { Put(b, 16, 10, 4); }},
      {"2^8", [](std::string& b) { Put(b, 20, 8, 4); }},
      {"2^22", [](std::string& b) { Put(b, 20, 22, 4); }},
      {"2^4294967295", [](std::string& b) { Put(b, 20, 0xffffffff, 4); }},
      {"size of 0", [](std::string& b) { Put(b, 24, 0, 8); }},
      {"16 TiB", [](std::string& b) { Put(b, 24, uint64_t{1} << 50, 8); }},
      {"16 TiB", [](std::string& b) { Put(b, 24, ~uint64_t{0}, 8); }},
      {"encrypted", [](std::string& b) { Put(b, 32, 1, 4); }},
      {"L1 table", [](std::string& b) { Put(b, 36, 0, 4); }},
      {"L1 table", [](std::string& b) { Put(b, 36, 0xffffffff, 4); }},
      {"L1 table", [](std::string& b) { Put(b, 40, uint64_t{1} << 40, 8); }},
      {"L1 table", [](std::string& b) { Put(b, 40, ~uint64_t{0}, 8); }},
      {"L1 table", [](std::string& b) { Put(b, 40, 7, 8); }},
      {"L1 table", [](std::string& b) { Put(b, 24, uint64_t{1} << 43, 8); }},
      {"reference", [](std::string& b) { Put(b, 48, uint64_t{1} << 40, 8); }},
      {"reference", [](std::string& b) { Put(b, 56, 0xffffffff, 4); }},
      {"reference", [](std::string& b) { Put(b, 56, 0, 4); }},
      {"too wide", [](std::string& b) { Put(b, 96, 7, 4); }},
      {"snapshots", [](std::string& b) { Put(b, 60, 1000000, 4); }},
      {"snapshots",
       [](std::string& b) {
         Put(b, 60, 65536, 4);
         Put(b, 64, 65536, 8);
       }},
      {"not known", [](std::string& b) { Put(b, 104, 2, 1); }},
      {"not known", [](std::string& b) { Put(b, 72, 32, 8); }},
      {"not known", [](std::string& b) { Put(b, 72, uint64_t{1} << 63, 8); }},
      {"another file", [](std::string& b) { Put(b, 72, 4, 8); }},
      {"corrupt", [](std::string& b) { Put(b, 72, 2, 8); }},
      {"header is malformed", [](std::string& b) { Put(b, 100, 100, 4); }},
      {"header is malformed", [](std::string& b) { Put(b, 100, 109, 4); }},
      {"header is malformed", [](std::string& b) { Put(b, 100, ~0u, 4); }},
      {"extensions",
       [](std::string& b) {
         Put(b, 112, 0x12345678, 4);
         Put(b, 116, 0xffffffff, 4);
       }},
      {"backing format", [](std::string& b) { Put(b, 112, 0xe2792aca, 4); }},
      {"extensions",
       [](std::string& b) {
         Put(b, 112, 0xe2792aca, 4);
         Put(b, 116, 0, 4);
       }},
      {"another file", [](std::string& b) { Put(b, 112, 0x44415441, 4); }},
      {"encrypted", [](std::string& b) { Put(b, 112, 0x0537be77, 4); }},
  };
  const std::string good = GoodImage();
  ASSERT_THAT(Parse(good), IsOk());
  for (const Case& c : cases) {
    std::string bytes = good;
    c.spoil(bytes);
    EXPECT_THAT(Parse(bytes), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr(c.message)));
  }
}

TEST_F(HeaderParserTest, RandomBytesAreAnsweredAndTruncationsRefused) {
  const std::string good = GoodImage();
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good.substr(0, 4096);
    for (int i = 0; i < 3; ++i) {
      bytes[random() % 160] = static_cast<char>(random());
    }
    const auto info = Parse(bytes);
    if (!info.ok()) continue;
    ASSERT_GT(info->virtual_bytes, 0);
    ASSERT_LE(info->virtual_bytes, kMaxVirtualBytes);
  }
  for (size_t size = 0; size < 104; ++size) {
    EXPECT_FALSE(Parse(good.substr(0, size)).ok()) << size;
  }
}

TEST_F(HeaderParserTest, ARawImageOfAnOddSizeIsRefused) {
  for (const size_t size : {0, 1, 511, 513}) {
    ASSERT_THAT(WriteFileAtomically(Path("x"), std::string(size, 'x'), 0600),
                IsOk());
    EXPECT_THAT(Read(Path("x"), DiskFormat::kRaw),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("multiple of 512")));
  }
}

TEST_F(HeaderParserTest, WhatIsNoFileIsRefused) {
  EXPECT_THAT(Read(directory_, DiskFormat::kRaw),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("neither a file")));
  EXPECT_FALSE(Read("/dev/null", DiskFormat::kRaw).ok());
}

}  // namespace
}  // namespace innkeeper
