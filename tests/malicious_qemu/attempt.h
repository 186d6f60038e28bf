// What a QEMU that was taken over would try.
#ifndef INNKEEPER_TESTS_MALICIOUS_QEMU_ATTEMPT_H_
#define INNKEEPER_TESTS_MALICIOUS_QEMU_ATTEMPT_H_

// What it knows of the host, from the test: canaries that it must not reach.
struct Target {
  const char* file = "";      // A file that everybody may read and write.
  const char* socket = "";    // A unix socket that everybody may connect to.
  const char* abstract = "";  // The name of an abstract one, without the NUL.
  int port = 0;               // Of TCP and UDP on 127.0.0.1.
  const char* monitor = "";   // qmp.sock of another guest.
  const char* cgroup = "";    // The directory of a control group.
  int launcher = 0;           // Pids, as the host counts.
  int other_guest = 0;
  int own_keeper = 0;
  unsigned other_uid = 0;   // Of the other guest.
  int read_only_disk = -1;  // A descriptor that it was given.
};

// One attempt, in a process of its own. `run` is whether it worked; if not,
// errno says why. It worked, too, if the kernel permitted it and only then
// found that there is nothing to do it to.
struct Attempt {
  const char* name;
  bool (*run)(const Target& target);
};

// Each ends with one without a name.
extern const Attempt kFileAttempts[];
extern const Attempt kKernelAttempts[];
extern const Attempt kLimitAttempts[];
extern const Attempt kMountAttempts[];
extern const Attempt kNetworkAttempts[];
extern const Attempt kPrivilegeAttempts[];
extern const Attempt kProcessAttempts[];

#endif  // INNKEEPER_TESTS_MALICIOUS_QEMU_ATTEMPT_H_
