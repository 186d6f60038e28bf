#include "rpc/page_token.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace innkeeper {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kSecretBytes = 32;
constexpr size_t kTagBytes = 16;
constexpr char kVersion = 1;

std::string Hmac(absl::string_view key, absl::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(), out,
       &length);
  return std::string(reinterpret_cast<const char*>(out), length);
}

std::string Sha256(absl::string_view data) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(data.data(), data.size(), out, &length, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<const char*>(out), length);
}

void Clear(Message& message, const char* field) {
  const FieldDescriptor* descriptor =
      message.GetDescriptor()->FindFieldByName(field);
  if (descriptor != nullptr) {
    message.GetReflection()->ClearField(&message, descriptor);
  }
}

// With its length before it, so that no two lists of parts look the same.
void AppendPart(absl::string_view part, std::string& out) {
  absl::StrAppend(&out, part.size(), ":", part);
}

absl::Status Refused() {
  constexpr absl::string_view kWhy =
      "is not from this list with these arguments; start again without it";
  return Error(absl::StatusCode::kInvalidArgument, reason::kInvalidPageToken,
               absl::StrCat("the page token ", kWhy))
      .Field("page_token", kWhy);
}

absl::StatusOr<std::string> ReadSecret(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  char buffer[4096];
  const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
  if (got < 0) return ErrnoError(errno, absl::StrCat("read ", path));
  if (static_cast<size_t>(got) < kSecretBytes) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
                 absl::StrCat(path, " has fewer than ", kSecretBytes,
                              " bytes; remove it and a new one is made"))
        .With("path", path)
        .Build();
  }
  return std::string(buffer, static_cast<size_t>(got));
}

absl::Status MakeSecret(const std::string& path) {
  unsigned char secret[kSecretBytes];
  if (RAND_bytes(secret, sizeof(secret)) != 1) {
    return Error(absl::StatusCode::kInternal, reason::kInternal,
                 "no random numbers for a secret");
  }
  const std::string fresh = absl::StrCat(path, ".", getpid());
  const UniqueFd fd(
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("create ", fresh));
  const bool written = write(fd.get(), secret, sizeof(secret)) ==
                           static_cast<ssize_t>(sizeof(secret)) &&
                       fsync(fd.get()) == 0;
  int error = written ? 0 : errno;
  // link(2), unlike rename(2), leaves a secret that somebody else made alone.
  if (written && link(fresh.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    error = errno;
  }
  unlink(fresh.c_str());
  return error == 0 ? absl::OkStatus()
                    : ErrnoError(error, absl::StrCat("write ", path));
}

}  // namespace

std::string PageTokenBinding(absl::string_view method, absl::string_view caller,
                             const Message& request) {
  std::unique_ptr<Message> rest(request.New());
  rest->CopyFrom(request);
  Clear(*rest, "page_token");
  Clear(*rest, "page_size");
  std::string arguments;
  {
    google::protobuf::io::StringOutputStream stream(&arguments);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    rest->SerializeToCodedStream(&coded);
  }
  std::string binding;
  AppendPart(method, binding);
  AppendPart(caller, binding);
  AppendPart(arguments, binding);
  return Sha256(binding);
}

PageTokenSealer::PageTokenSealer(absl::string_view secret)
    : key_(Hmac(secret, "innkeeper page token 1")) {}

absl::StatusOr<PageTokenSealer> PageTokenSealer::FromFile(
    const std::string& path) {
  absl::StatusOr<std::string> secret = ReadSecret(path);
  if (absl::IsNotFound(secret.status())) {
    RETURN_IF_ERROR(MakeSecret(path));
    secret = ReadSecret(path);
  }
  RETURN_IF_ERROR(secret.status());
  return PageTokenSealer(*secret);
}

std::string PageTokenSealer::Seal(absl::string_view payload,
                                  absl::string_view binding) const {
  return absl::WebSafeBase64Escape(absl::StrCat(
      absl::string_view(&kVersion, 1), Tag(payload, binding), payload));
}

absl::StatusOr<std::string> PageTokenSealer::Open(
    absl::string_view token, absl::string_view binding) const {
  std::string bytes;
  constexpr size_t kHead = 1 + kTagBytes;
  if (token.size() > 2 * kMaxPayload ||
      !absl::WebSafeBase64Unescape(token, &bytes) || bytes.size() < kHead ||
      bytes[0] != kVersion) {
    return Refused();
  }
  const absl::string_view payload = absl::string_view(bytes).substr(kHead);
  const std::string tag = Tag(payload, binding);
  if (CRYPTO_memcmp(tag.data(), bytes.data() + 1, kTagBytes) != 0) {
    return Refused();
  }
  return std::string(payload);
}

std::string PageTokenSealer::Tag(absl::string_view payload,
                                 absl::string_view binding) const {
  std::string sealed;
  AppendPart(binding, sealed);
  AppendPart(payload, sealed);
  return Hmac(key_, sealed).substr(0, kTagBytes);
}

}  // namespace innkeeper
