// Every ErrorInfo.reason that Innkeeper gives, in one place. The same names,
// with what each means and what to do about it, are the enum ErrorReason in
// api/innkeeper/v1/error_reason.proto; a test holds the two together. A name is
// never reused for something else.
#ifndef INNKEEPER_BASE_REASON_H_
#define INNKEEPER_BASE_REASON_H_

#include "absl/strings/string_view.h"

namespace innkeeper {

// constant, name
#define INNKEEPER_REASONS(V)                               \
  V(kInvalidRequest, "INVALID_REQUEST")                    \
  V(kInvalidFilter, "INVALID_FILTER")                      \
  V(kInvalidOrderBy, "INVALID_ORDER_BY")                   \
  V(kInvalidPageToken, "INVALID_PAGE_TOKEN")               \
  V(kInvalidResumeToken, "INVALID_RESUME_TOKEN")           \
  V(kRequestIdReused, "REQUEST_ID_REUSED")                 \
  V(kUnauthenticated, "UNAUTHENTICATED")                   \
  V(kPermissionDenied, "PERMISSION_DENIED")                \
  V(kDelegationRefused, "DELEGATION_REFUSED")              \
  V(kEnrolmentTokenRefused, "ENROLMENT_TOKEN_REFUSED")     \
  V(kCertificateRefused, "CERTIFICATE_REFUSED")            \
  V(kGuestNotFound, "GUEST_NOT_FOUND")                     \
  V(kHostNotFound, "HOST_NOT_FOUND")                       \
  V(kOperationNotFound, "OPERATION_NOT_FOUND")             \
  V(kServiceUnknown, "SERVICE_UNKNOWN")                    \
  V(kGuestExists, "GUEST_EXISTS")                          \
  V(kHostExists, "HOST_EXISTS")                            \
  V(kGuestBusy, "GUEST_BUSY")                              \
  V(kGuestNotStartable, "GUEST_NOT_STARTABLE")             \
  V(kGuestNotRunning, "GUEST_NOT_RUNNING")                 \
  V(kGuestNotPaused, "GUEST_NOT_PAUSED")                   \
  V(kGuestNotStopped, "GUEST_NOT_STOPPED")                 \
  V(kGuestUnresponsive, "GUEST_UNRESPONSIVE")              \
  V(kGuestExited, "GUEST_EXITED")                          \
  V(kGuestLaunchFailed, "GUEST_LAUNCH_FAILED")             \
  V(kGuestStopTimedOut, "GUEST_STOP_TIMED_OUT")            \
  V(kEtagMismatch, "ETAG_MISMATCH")                        \
  V(kImageUnsupported, "IMAGE_UNSUPPORTED")                \
  V(kImageInUse, "IMAGE_IN_USE")                           \
  V(kImageLockingOff, "IMAGE_LOCKING_OFF")                 \
  V(kVolumeNotFound, "VOLUME_NOT_FOUND")                   \
  V(kPoolNotFound, "POOL_NOT_FOUND")                       \
  V(kAccelerationUnavailable, "ACCELERATION_UNAVAILABLE")  \
  V(kMachineTypeUnsupported, "MACHINE_TYPE_UNSUPPORTED")   \
  V(kCapacityExhausted, "CAPACITY_EXHAUSTED")              \
  V(kUidPoolExhausted, "UID_POOL_EXHAUSTED")               \
  V(kTooManyGuests, "TOO_MANY_GUESTS")                     \
  V(kTooManyRequests, "TOO_MANY_REQUESTS")                 \
  V(kMessageTooLarge, "MESSAGE_TOO_LARGE")                 \
  V(kNoHostFits, "NO_HOST_FITS")                           \
  V(kHostUnreachable, "HOST_UNREACHABLE")                  \
  V(kHostCordoned, "HOST_CORDONED")                        \
  V(kHostNotEmpty, "HOST_NOT_EMPTY")                       \
  V(kNotAtThisScope, "NOT_AT_THIS_SCOPE")                  \
  V(kNotImplemented, "NOT_IMPLEMENTED")                    \
  V(kHistoryGone, "HISTORY_GONE")                          \
  V(kRevisionCompacted, "REVISION_COMPACTED")              \
  V(kWatcherTooSlow, "WATCHER_TOO_SLOW")                   \
  V(kConsoleUnavailable, "CONSOLE_UNAVAILABLE")            \
  V(kConsoleBusy, "CONSOLE_BUSY")                          \
  V(kOperationCancelled, "OPERATION_CANCELLED")            \
  V(kOperationNotCancellable, "OPERATION_NOT_CANCELLABLE") \
  V(kOperationInterrupted, "OPERATION_INTERRUPTED")        \
  V(kDeadlineExceeded, "DEADLINE_EXCEEDED")                \
  V(kLauncherUnavailable, "LAUNCHER_UNAVAILABLE")          \
  V(kLauncherRefused, "LAUNCHER_REFUSED")                  \
  V(kMonitorProtocol, "MONITOR_PROTOCOL")                  \
  V(kMonitorCommandFailed, "MONITOR_COMMAND_FAILED")       \
  V(kMonitorClosed, "MONITOR_CLOSED")                      \
  V(kStoreUnavailable, "STORE_UNAVAILABLE")                \
  V(kStoreConflict, "STORE_CONFLICT")                      \
  V(kStoreOutcomeUnknown, "STORE_OUTCOME_UNKNOWN")         \
  V(kShuttingDown, "SHUTTING_DOWN")                        \
  V(kConfigInvalid, "CONFIG_INVALID")                      \
  V(kSystemError, "SYSTEM_ERROR")                          \
  V(kInternal, "INTERNAL")                                 \
  V(kContextNotFound, "CONTEXT_NOT_FOUND")                 \
  V(kContextExists, "CONTEXT_EXISTS")                      \
  V(kContextPartRefused, "CONTEXT_PART_REFUSED")           \
  V(kContextUnavailable, "CONTEXT_UNAVAILABLE")            \
  V(kNetworkNotFound, "NETWORK_NOT_FOUND")                 \
  V(kNetworkUnavailable, "NETWORK_UNAVAILABLE")            \
  V(kAddressInUse, "ADDRESS_IN_USE")                       \
  V(kFirmwareUnavailable, "FIRMWARE_UNAVAILABLE")          \
  V(kTpmUnavailable, "TPM_UNAVAILABLE")                    \
  V(kPluginDenied, "PLUGIN_DENIED")                        \
  V(kPluginFailed, "PLUGIN_FAILED")

namespace reason {

#define INNKEEPER_REASON_CONSTANT(constant, name) \
  inline constexpr absl::string_view constant = name;
INNKEEPER_REASONS(INNKEEPER_REASON_CONSTANT)
#undef INNKEEPER_REASON_CONSTANT

// All of them, for the test named above.
#define INNKEEPER_REASON_NAME(constant, name) name,
inline constexpr absl::string_view kAll[] = {
    INNKEEPER_REASONS(INNKEEPER_REASON_NAME)};
#undef INNKEEPER_REASON_NAME

}  // namespace reason
}  // namespace innkeeper

#endif  // INNKEEPER_BASE_REASON_H_
