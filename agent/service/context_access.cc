#include "agent/service/context_access.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "agent/context/context_rights.h"
#include "agent/context/context_spec.h"
#include "agent/launch/launch_context.h"
#include "auth/principal.h"
#include "base/error.h"
#include "base/reason.h"

namespace innkeeper {
namespace {

// One error that names every one of `parts`.
template <typename Part>
absl::Status PartsError(absl::StatusCode code, absl::string_view reason,
                        absl::string_view message, const std::string& prefix,
                        const std::vector<Part>& parts) {
  Error error(
      code, reason,
      absl::StrCat(
          message, ": ",
          absl::StrJoin(parts, "; ", [](std::string* out, const Part& p) {
            absl::StrAppend(out, p.field, " ", p.why);
          })));
  for (const Part& part : parts) {
    error.Precondition(reason, absl::StrCat(prefix, ".", part.field),
                       absl::StrCat(part.field, " ", part.why));
  }
  return error;
}

}  // namespace

bool ContextAccess::Sees(const Permit& permit,
                         const ContextRecord& context) const {
  const Principal& caller = permit.caller().principal;
  // Nobody can be forwarded as a server.
  return permit.Administers(host_) || caller.kind() == PrincipalKind::kServer ||
         Admits(context, caller.ToString());
}

absl::Status ContextAccess::Resolve(const Permit& permit,
                                    GuestRecord* guest) const {
  GuestSpec& spec = guest->spec;
  const bool administers = permit.Administers(host_);
  ContextSpec base;
  if (!spec.context.empty()) {
    const ContextPtr context = book_.Find(spec.context);
    if (context == nullptr ||
        !(administers ||
          Admits(*context, permit.caller().principal.ToString()) ||
          Admits(*context, guest->owner))) {
      return NoSuchContext(spec.context);
    }
    base = context->spec;
  }
  if (!administers) {
    const std::vector<RefusedPart> refused =
        FindRefusedParts(base, spec.context_parts, DefaultsOf(spec.vcpu_count));
    if (!refused.empty()) {
      return PartsError(
          absl::StatusCode::kPermissionDenied, reason::kContextPartRefused,
          absl::StrCat(permit.caller().principal.ToString(),
                       " may not choose parts of the context; leave them out, "
                       "or name a context that has them"),
          "guest.spec.context_parts", refused);
    }
  }
  spec.effective_context = MergeContexts(base, spec.context_parts);
  return CheckAvailable(spec.effective_context, guest->owner,
                        "guest.effective_context");
}

absl::Status ContextAccess::CheckAvailable(const ContextSpec& spec,
                                           absl::string_view owner,
                                           const std::string& prefix) const {
  LaunchContext context = ToLaunchContext(spec);
  if (owner.empty() && context.identity == IdentityKind::kOwner) {
    context.identity = IdentityKind::kPool;
  }
  const std::vector<ContextFault> missing = find_unavailable_(context, owner);
  if (missing.empty()) return absl::OkStatus();
  return PartsError(absl::StatusCode::kFailedPrecondition,
                    reason::kContextUnavailable,
                    absl::StrCat(host_, " cannot give parts of the context"),
                    prefix, missing);
}

}  // namespace innkeeper
