#include "rpc/reflection_service.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"

namespace innkeeper {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

const FileDescriptor* FileOfSymbol(const std::string& symbol) {
  return Pool().FindFileContainingSymbol(symbol);
}

const FileDescriptor* FileOfExtension(const std::string& type, int number) {
  const auto* descriptor = Pool().FindMessageTypeByName(type);
  const auto* extension =
      descriptor == nullptr ? nullptr
                            : Pool().FindExtensionByNumber(descriptor, number);
  return extension == nullptr ? nullptr : extension->file();
}

// `file` and all that it imports, each after what it imports.
void Collect(const FileDescriptor* file, std::set<const FileDescriptor*>& seen,
             std::vector<std::string>& out) {
  if (!seen.insert(file).second) return;
  for (int i = 0; i < file->dependency_count(); ++i) {
    Collect(file->dependency(i), seen, out);
  }
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  out.push_back(proto.SerializeAsString());
}

template <typename Response>
void SetError(grpc::StatusCode code, const std::string& message,
              Response& response) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(message);
}

template <typename Response>
void SetFile(const FileDescriptor* file, const std::string& wanted,
             Response& response) {
  if (file == nullptr) {
    SetError(grpc::NOT_FOUND, absl::StrCat("there is no ", wanted), response);
    return;
  }
  std::set<const FileDescriptor*> seen;
  std::vector<std::string> files;
  Collect(file, seen, files);
  // The file that was asked for comes first.
  for (auto it = files.rbegin(); it != files.rend(); ++it) {
    response.mutable_file_descriptor_response()->add_file_descriptor_proto(
        std::move(*it));
  }
}

template <typename Request, typename Response>
Response Answer(const Request& request,
                const std::vector<std::string>& services) {
  Response response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      SetFile(Pool().FindFileByName(request.file_by_filename()),
              request.file_by_filename(), response);
      break;
    case Request::kFileContainingSymbol:
      SetFile(FileOfSymbol(request.file_containing_symbol()),
              request.file_containing_symbol(), response);
      break;
    case Request::kFileContainingExtension: {
      const auto& extension = request.file_containing_extension();
      SetFile(FileOfExtension(extension.containing_type(),
                              extension.extension_number()),
              "such extension", response);
      break;
    }
    case Request::kAllExtensionNumbersOfType: {
      const std::string& type = request.all_extension_numbers_of_type();
      const auto* descriptor = Pool().FindMessageTypeByName(type);
      if (descriptor == nullptr) {
        SetError(grpc::NOT_FOUND, absl::StrCat("there is no ", type), response);
        break;
      }
      std::vector<const google::protobuf::FieldDescriptor*> extensions;
      Pool().FindAllExtensions(descriptor, &extensions);
      auto* out = response.mutable_all_extension_numbers_response();
      out->set_base_type_name(type);
      for (const auto* extension : extensions) {
        out->add_extension_number(extension->number());
      }
      break;
    }
    case Request::kListServices:
      for (const std::string& service : services) {
        response.mutable_list_services_response()->add_service()->set_name(
            service);
      }
      break;
    default:
      SetError(grpc::INVALID_ARGUMENT, "the request asks for nothing",
               response);
  }
  return response;
}

template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* Serve(
    Gate* gate, grpc::CallbackServerContext* context,
    const std::vector<std::string>* services) {
  using Stream = BidiStream<Request, Response>;
  return gate->Bidi<Request, Response>(
      context,
      [services](const Permit&, const Request& first,
                 std::shared_ptr<Stream> stream) -> absl::Status {
        stream->Write(Answer<Request, Response>(first, *services));
        stream->SetReadHandler(
            [services, stream](const Request& request) {
              stream->Write(Answer<Request, Response>(request, *services));
            },
            [stream] { stream->Finish(absl::OkStatus()); });
        return absl::OkStatus();
      });
}

}  // namespace

grpc::ServerBidiReactor<grpc::reflection::v1::ServerReflectionRequest,
                        grpc::reflection::v1::ServerReflectionResponse>*
ReflectionService::ServerReflectionInfo(grpc::CallbackServerContext* context) {
  return Serve<grpc::reflection::v1::ServerReflectionRequest,
               grpc::reflection::v1::ServerReflectionResponse>(gate_, context,
                                                               &services_);
}

grpc::ServerBidiReactor<grpc::reflection::v1alpha::ServerReflectionRequest,
                        grpc::reflection::v1alpha::ServerReflectionResponse>*
ReflectionAlphaService::ServerReflectionInfo(
    grpc::CallbackServerContext* context) {
  return Serve<grpc::reflection::v1alpha::ServerReflectionRequest,
               grpc::reflection::v1alpha::ServerReflectionResponse>(
      gate_, context, &services_);
}

}  // namespace innkeeper
