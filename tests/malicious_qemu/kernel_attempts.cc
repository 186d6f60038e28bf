// Parts of the kernel that no QEMU needs.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/malicious_qemu/attempt.h"

namespace {

bool SearchesSessionKeys(const Target&) {
  return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING,
                 0) >= 0;
}
bool AddsKey(const Target&) {
  return syscall(SYS_add_key, "user", "x", "x", 1, KEY_SPEC_PROCESS_KEYRING) >=
         0;
}
bool RequestsKey(const Target&) {
  return syscall(SYS_request_key, "user", "innkeeper-canary", nullptr, 0) >=
             0 ||
         errno == ENOKEY;
}
bool LoadsProgram(const Target&) {
  bpf_attr attributes = {};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes)) >= 0;
}
bool CountsEvents(const Target&) {
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_CPU_CLOCK;
  attributes.exclude_kernel = 1;
  return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0) >= 0;
}
bool HandlesFaults(const Target&) {
  return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) >= 0;
}
bool MakesRing(const Target&) {
  io_uring_params parameters = {};
  return syscall(SYS_io_uring_setup, 1, &parameters) >= 0;
}
bool WatchesFiles(const Target&) {
  // FAN_CLASS_NOTIF | FAN_REPORT_FID: what the kernel lets everybody do.
  return syscall(SYS_fanotify_init, 0x200, O_RDONLY) >= 0;
}
bool LoadsModule(const Target&) {
  return syscall(SYS_init_module, nullptr, 0, "") == 0 ||
         syscall(SYS_finit_module, 0, "", 0) == 0;
}
bool LoadsKernel(const Target&) {
  return syscall(SYS_kexec_load, 0, 0, nullptr, 0) == 0;
}
bool Reboots(const Target&) { return reboot(RB_DISABLE_CAD) == 0; }
bool ReadsKernelsLog(const Target&) {
  char text[16];
  return klogctl(3, text, sizeof(text)) >= 0;
}
bool SetsClock(const Target&) {
  const timeval time = {1, 0};
  return settimeofday(&time, nullptr) == 0;
}
bool Swaps(const Target&) { return swapoff("/x") == 0; }
bool NamesHost(const Target&) { return sethostname("x", 1) == 0; }
bool ReachesPorts(const Target&) {
  return syscall(SYS_iopl, 3) == 0 || syscall(SYS_ioperm, 0x80, 1, 1) == 0;
}
bool ChangesDomain(const Target&) {
  return syscall(SYS_personality, 0x0400000) >= 0;  // READ_IMPLIES_EXEC
}
bool ChangesSegments(const Target&) {
  return syscall(SYS_modify_ldt, 0, nullptr, 0) >= 0;
}
// ENOTTY would say that it is only this descriptor that is no terminal.
bool TypesIntoTerminal(const Target&) {
  const char byte = 'x';
  return ioctl(0, TIOCSTI, &byte) == 0 || errno == ENOTTY;
}

}  // namespace

const Attempt kKernelAttempts[] = {
    {"kernel.session_keys", &SearchesSessionKeys},
    {"kernel.add_key", &AddsKey},
    {"kernel.request_key", &RequestsKey},
    {"kernel.bpf", &LoadsProgram},
    {"kernel.perf", &CountsEvents},
    {"kernel.userfaultfd", &HandlesFaults},
    {"kernel.io_uring", &MakesRing},
    {"kernel.fanotify", &WatchesFiles},
    {"kernel.module", &LoadsModule},
    {"kernel.kexec", &LoadsKernel},
    {"kernel.reboot", &Reboots},
    {"kernel.log", &ReadsKernelsLog},
    {"kernel.clock", &SetsClock},
    {"kernel.swap", &Swaps},
    {"kernel.host_name", &NamesHost},
    {"kernel.io_ports", &ReachesPorts},
    {"kernel.personality", &ChangesDomain},
    {"kernel.segments", &ChangesSegments},
    {"kernel.type_into_terminal", &TypesIntoTerminal},
    {nullptr, nullptr}};
