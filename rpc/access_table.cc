#include "rpc/access_table.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/reason.h"
#include "innkeeper/v1/access.pb.h"
#include "rpc/request_field.h"

namespace innkeeper {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

struct ForeignRule {
  absl::string_view method;
  absl::string_view permission;
  absl::string_view resource_field;
  AccessClass access_class;
};

// Services that are defined elsewhere and cannot carry our option.
constexpr ForeignRule kForeignRules[] = {
    {"google.longrunning.Operations/ListOperations", "operations.list", "",
     AccessClass::kA},
    {"google.longrunning.Operations/GetOperation", "operations.get", "name",
     AccessClass::kA},
    {"google.longrunning.Operations/WaitOperation", "operations.wait", "name",
     AccessClass::kA},
    {"google.longrunning.Operations/CancelOperation", "operations.cancel",
     "name", AccessClass::kB},
    // Not served: what ended is kept for as long as decided.
    {"google.longrunning.Operations/DeleteOperation", "operations.cancel",
     "name", AccessClass::kB},
    {"grpc.health.v1.Health/Check", "health.check", "", AccessClass::kA},
    {"grpc.health.v1.Health/List", "health.check", "", AccessClass::kA},
    {"grpc.health.v1.Health/Watch", "health.check", "", AccessClass::kA},
    {"grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
     "reflection.use", "", AccessClass::kA},
    {"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
     "reflection.use", "", AccessClass::kA},
};

std::string NameOf(const MethodDescriptor& method) {
  return absl::StrCat(method.service()->full_name(), "/", method.name());
}

// The rule of `method`, or what is wrong with it.
std::string ReadRule(const MethodDescriptor& method, AccessRule& rule) {
  rule.method = NameOf(method);
  for (const ForeignRule& foreign : kForeignRules) {
    if (foreign.method != rule.method) continue;
    rule.permission = std::string(foreign.permission);
    rule.resource_field = std::string(foreign.resource_field);
    rule.access_class = foreign.access_class;
    return "";
  }
  if (!method.options().HasExtension(v1::access)) {
    return "has no option (innkeeper.v1.access)";
  }
  const v1::Access& access = method.options().GetExtension(v1::access);
  if (access.permission().empty()) return "names no permission";
  rule.permission = access.permission();
  rule.resource_field = access.resource_field();
  switch (access.class_()) {
    case v1::Access::A:
      rule.access_class = AccessClass::kA;
      break;
    case v1::Access::B:
      rule.access_class = AccessClass::kB;
      break;
    case v1::Access::C:
      rule.access_class = AccessClass::kC;
      break;
    default:
      return "has no class";
  }
  if (!rule.resource_field.empty() &&
      !HasStringField(method.input_type(), rule.resource_field)) {
    return absl::StrCat("has no string field '", rule.resource_field,
                        "' in its request");
  }
  return "";
}

}  // namespace

absl::StatusOr<AccessTable> AccessTable::Create(
    const std::vector<std::string>& services) {
  AccessTable table;
  table.services_ = services;
  std::vector<std::string> faults;
  for (const std::string& name : services) {
    const ServiceDescriptor* service =
        DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr) {
      faults.push_back(absl::StrCat("service ", name, " is not linked in"));
      continue;
    }
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor* method = service->method(i);
      AccessRule rule;
      const std::string fault = ReadRule(*method, rule);
      if (!fault.empty()) {
        faults.push_back(absl::StrCat("method ", rule.method, " ", fault));
        continue;
      }
      const bool fresh =
          table.rules_
              .try_emplace({method->input_type(), method->server_streaming()},
                           rule)
              .second;
      if (!fresh) {
        faults.push_back(absl::StrCat("method ", rule.method, " shares ",
                                      method->input_type()->full_name(),
                                      " with another method"));
        continue;
      }
      table.order_.push_back(method);
    }
  }
  if (!faults.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
                 absl::StrCat("cannot serve: ", absl::StrJoin(faults, "; ")))
        .Build();
  }
  return table;
}

const AccessRule* AccessTable::Find(const Descriptor* request,
                                    bool streams) const {
  const auto it = rules_.find(std::make_pair(request, streams));
  return it == rules_.end() ? nullptr : &it->second;
}

absl::Status AccessTable::Covers(
    const std::vector<std::string>& services) const {
  std::vector<std::string> unknown;
  for (const std::string& service : services) {
    if (std::find(services_.begin(), services_.end(), service) ==
        services_.end()) {
      unknown.push_back(service);
    }
  }
  if (unknown.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, reason::kConfigInvalid,
               absl::StrCat("services without access rules are registered: ",
                            absl::StrJoin(unknown, ", ")));
}

std::vector<AccessRule> AccessTable::Rules() const {
  std::vector<AccessRule> rules;
  rules.reserve(order_.size());
  for (const MethodDescriptor* method : order_) {
    rules.push_back(
        rules_.at({method->input_type(), method->server_streaming()}));
  }
  return rules;
}

}  // namespace innkeeper
