#include "tests/integration/caller.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace innkeeper {

using google::longrunning::Operation;
using google::longrunning::Operations;

namespace {

std::string NameOf(absl::string_view guest) {
  return absl::StrCat("guests/", guest);
}

}  // namespace

Caller::Caller(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)),
      guests_(v1::Guests::NewStub(channel_)),
      consoles_(v1::Consoles::NewStub(channel_)),
      events_(v1::Events::NewStub(channel_)),
      hosts_(v1::Hosts::NewStub(channel_)),
      policy_(v1::Policy::NewStub(channel_)),
      operations_(Operations::NewStub(channel_)) {}

absl::StatusOr<Operation> Caller::Launch(
    const v1::LaunchGuestRequest& request) const {
  return Call(&v1::Guests::Stub::LaunchGuest, guests(), request);
}

absl::StatusOr<Operation> Caller::Start(absl::string_view guest) const {
  v1::StartGuestRequest request;
  request.set_name(NameOf(guest));
  return Call(&v1::Guests::Stub::StartGuest, guests(), request);
}

absl::StatusOr<Operation> Caller::Stop(absl::string_view guest,
                                       bool force) const {
  v1::StopGuestRequest request;
  request.set_name(NameOf(guest));
  request.set_force(force);
  return Call(&v1::Guests::Stub::StopGuest, guests(), request);
}

absl::StatusOr<Operation> Caller::Reboot(absl::string_view guest) const {
  v1::RebootGuestRequest request;
  request.set_name(NameOf(guest));
  return Call(&v1::Guests::Stub::RebootGuest, guests(), request);
}

absl::StatusOr<Operation> Caller::Delete(absl::string_view guest) const {
  v1::DeleteGuestRequest request;
  request.set_name(NameOf(guest));
  return Call(&v1::Guests::Stub::DeleteGuest, guests(), request);
}

absl::StatusOr<v1::Guest> Caller::Get(absl::string_view guest) const {
  v1::GetGuestRequest request;
  request.set_name(NameOf(guest));
  return Call(&v1::Guests::Stub::GetGuest, guests(), request);
}

absl::StatusOr<std::vector<v1::Guest>> Caller::List() const {
  v1::ListGuestsRequest request;
  request.set_view(v1::FULL);
  const absl::StatusOr<v1::ListGuestsResponse> response =
      Call(&v1::Guests::Stub::ListGuests, guests(), request);
  if (!response.ok()) return response.status();
  return std::vector<v1::Guest>(response->guests().begin(),
                                response->guests().end());
}

absl::StatusOr<Operation> Caller::Wait(const std::string& operation) const {
  google::longrunning::WaitOperationRequest request;
  request.set_name(operation);
  request.mutable_timeout()->set_seconds(10);
  const absl::Time deadline = absl::Now() + kPatience;
  while (true) {
    absl::StatusOr<Operation> answer =
        Call(&Operations::Stub::WaitOperation, operations(), request);
    if (!answer.ok() || answer->done()) return answer;
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(operation, " does not end"));
    }
  }
}

absl::Status Caller::Finish(const absl::StatusOr<Operation>& begun) const {
  if (!begun.ok()) return begun.status();
  const absl::StatusOr<Operation> ended =
      begun->done() ? begun : Wait(begun->name());
  if (!ended.ok()) return ended.status();
  if (ended->has_error()) return FromRpcStatus(ended->error());
  return absl::OkStatus();
}

v1::LaunchGuestRequest PausedGuest(absl::string_view id,
                                   absl::string_view owner) {
  v1::LaunchGuestRequest request;
  request.set_guest_id(std::string(id));
  request.mutable_guest()->set_owner(std::string(owner));
  v1::GuestSpec* spec = request.mutable_guest()->mutable_spec();
  spec->set_acceleration(v1::GuestSpec::TCG);
  spec->set_vcpu_count(1);
  spec->set_memory_bytes(32 << 20);
  spec->set_start_paused(true);
  return request;
}

}  // namespace innkeeper
