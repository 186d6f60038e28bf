// Every step of a launch, in order, with what it does and why it is there. The
// launcher and the processes that it makes run through this table; a step that
// is not in it does not happen.
#ifndef INNKEEPER_AGENT_LAUNCH_LAUNCH_STEPS_H_
#define INNKEEPER_AGENT_LAUNCH_LAUNCH_STEPS_H_

#include <cstdint>

namespace innkeeper {

// Who runs a step. kInit is pid 1 of the guest's pid namespace: it builds the
// jail, forks the process that becomes QEMU and becomes the keeper itself.
enum class LaunchProcess : uint8_t { kLauncher, kInit, kQemu, kKeeper };

enum class LaunchStep : uint8_t {
  kCheck,
  kAllocateUids,
  kRecordIntent,
  kMakeGuestDir,
  kPrepareState,
  kMakeCgroups,
  kMakeTaps,
  kOpenResources,
  kLimitIo,
  kOpenNamespaces,
  kMakeUserNamespace,
  kClone,
  kRelease,
  kEnterCgroups,
  kEnterNetwork,
  kAwaitGo,
  kDetachFromHost,
  kLimitResources,
  kNameHost,
  kEnterRoot,
  kForkQemu,
  kArrangeQemuFds,
  kLimitQemu,
  kLabelQemu,
  kEnterUserNamespace,
  kConfineFiles,
  kDropToQemu,
  kListenForMonitors,
  kExecQemu,
  kArrangeKeeperFds,
  kDropToKeeper,
  kListenForConsole,
  kExecKeeper,
  kAwaitExec,
  kRecordLaunched,
};

// Which of the two tables a step is in: a launch with a user namespace of its
// own takes some that others do not, and they are what fixes its order.
enum class LaunchTable : uint8_t { kBoth, kWithUserNamespace };

struct LaunchStepInfo {
  LaunchStep step;
  LaunchProcess process;
  const char* name;  // As in errors and failpoints.
  const char* what;
  const char* why;
  LaunchTable table = LaunchTable::kBoth;
};

// Both tables, in the order of LaunchStep. The steps of one process run in this
// order; kQemu and kKeeper run side by side after kForkQemu.
inline constexpr LaunchStepInfo kLaunchSteps[] = {
    {LaunchStep::kCheck, LaunchProcess::kLauncher, "check",
     "check bounds, the binary, the id, the number of guests and every part of "
     "the context",
     "nothing is made for a plan that cannot work"},
    {LaunchStep::kAllocateUids, LaunchProcess::kLauncher, "allocate_uids",
     "take two uids that no live guest and no process has",
     "QEMU and its keeper share a uid with nobody, not even each other"},
    {LaunchStep::kRecordIntent, LaunchProcess::kLauncher, "record_intent",
     "write the journal entry: uids, gid, label and control group together",
     "a launcher killed from here on undoes the launch when it starts again"},
    {LaunchStep::kMakeGuestDir, LaunchProcess::kLauncher, "make_guest_dir",
     "make the guest's directory, manifest, log directory and sockets",
     "the sockets belong to root and the agent, never to QEMU"},
    {LaunchStep::kPrepareState, LaunchProcess::kLauncher, "prepare_state",
     "make or find what the guest keeps over its starts, if it needs any",
     "it is root's, apart from every other guest's, and never named to QEMU"},
    {LaunchStep::kMakeCgroups, LaunchProcess::kLauncher, "make_cgroups",
     "make a control group in each hierarchy, in its slice, and set the limits",
     "no process of the guest ever runs without its limits"},
    {LaunchStep::kMakeTaps, LaunchProcess::kLauncher, "make_taps",
     "say what each tap may send; make it, plug it into its bridge, set it up",
     "a frame is looked at before the first one can be sent"},
    {LaunchStep::kOpenResources, LaunchProcess::kLauncher, "open_resources",
     "open images beneath their pools; make overlays, RAM, pipes",
     "each open file description belongs to one QEMU, and its locks with it"},
    {LaunchStep::kLimitIo, LaunchProcess::kLauncher, "limit_io",
     "limit I/O on the block devices of the disks, where that is asked for",
     "which devices they are is known once the images are open"},
    {LaunchStep::kOpenNamespaces, LaunchProcess::kLauncher, "open_namespaces",
     "take a network namespace: a new one, or what was found under its name",
     "by descriptor, so that no name is looked up again inside"},
    {LaunchStep::kMakeUserNamespace, LaunchProcess::kLauncher,
     "make_user_namespace",
     "make a user namespace that holds the guest's ids and no other",
     "its maps need root's rights outside of it",
     LaunchTable::kWithUserNamespace},
    {LaunchStep::kClone, LaunchProcess::kLauncher, "clone",
     "clone3 into new namespaces and the control group, with a pidfd",
     "there is no moment at which the process is outside of them"},
    {LaunchStep::kRelease, LaunchProcess::kLauncher, "release",
     "tell the process to go on",
     "a process whose launcher has died must not become a guest"},

    {LaunchStep::kEnterCgroups, LaunchProcess::kInit, "enter_cgroups",
     "enter the version 1 hierarchies, by descriptors from the launcher",
     "clone3 cannot, and before all else no process is outside of its limits"},
    {LaunchStep::kEnterNetwork, LaunchProcess::kInit, "enter_network",
     "enter the network namespace that the launcher opened, if not the host's",
     "one is made ahead: to make it takes as long as all others"},
    {LaunchStep::kAwaitGo, LaunchProcess::kInit, "await_go",
     "wait for the launcher's word",
     "if the launcher is gone the process ends instead"},
    {LaunchStep::kDetachFromHost, LaunchProcess::kInit, "detach_from_host",
     "new session, cgroup namespace, default signals, no controlling terminal",
     "the namespace is rooted in the groups entered above"},
    {LaunchStep::kLimitResources, LaunchProcess::kInit, "limit_resources",
     "lower the hard resource limits, set the oom score",
     "no core may hold guest memory; a guest is killed before the host's own"},
    {LaunchStep::kNameHost, LaunchProcess::kInit, "name_host",
     "set the host name to the guest's id, unless the namespace is the host's",
     "the host's own name is hidden"},
    {LaunchStep::kEnterRoot, LaunchProcess::kInit, "enter_root",
     "build a read-only root, or bind the context's, pivot into it and cover "
     "it",
     "QEMU sees its libraries, few devices, itself; no user namespaces"},
    {LaunchStep::kForkQemu, LaunchProcess::kInit, "fork_qemu",
     "make QEMU's process, with a pidfd for the launcher",
     "QEMU as pid 1 would not die of its own signals"},

    {LaunchStep::kArrangeQemuFds, LaunchProcess::kQemu, "arrange_qemu_fds",
     "place the planned descriptors and close every other",
     "a leaked descriptor is a hole in the jail"},
    {LaunchStep::kLimitQemu, LaunchProcess::kQemu, "limit_qemu",
     "bound the size of files; set the context's limits, nice and processors",
     "the keeper's limits stay the usual ones; nice may need privilege"},
    {LaunchStep::kLabelQemu, LaunchProcess::kQemu, "label_qemu",
     "name the SELinux label or AppArmor profile that exec is to give",
     "the file to write it to can no longer be opened after the next steps"},
    {LaunchStep::kEnterUserNamespace, LaunchProcess::kQemu,
     "enter_user_namespace", "enter the guest's user namespace",
     "all that needs the host's privilege is done; it gives every capability "
     "inside, which are dropped next",
     LaunchTable::kWithUserNamespace},
    {LaunchStep::kConfineFiles, LaunchProcess::kQemu, "confine_files",
     "Landlock: read and execute below the root, write to /dev/null and "
     "/dev/kvm; no signals to others",
     "holds even where a mount or a file's mode should turn out wrong"},
    {LaunchStep::kDropToQemu, LaunchProcess::kQemu, "drop_to_qemu",
     "groups, gid, uid, keyring, the filter that denies what no QEMU needs, "
     "every capability set, securebits, no_new_privs unless SELinux gives a "
     "label; verify",
     "groups, gid, and the filter without no_new_privs, need privilege"},
    {LaunchStep::kListenForMonitors, LaunchProcess::kQemu,
     "listen_for_monitors", "listen(2) on the monitors' sockets",
     "whoever connects is shown the pid and uid of the process that listened"},
    {LaunchStep::kExecQemu, LaunchProcess::kQemu, "exec_qemu",
     "execute argv with three environment variables and the context's",
     "the status channel closes by itself: exec worked"},

    {LaunchStep::kArrangeKeeperFds, LaunchProcess::kKeeper,
     "arrange_keeper_fds", "place the keeper's descriptors, close every other",
     "above all the images: an open copy would keep their locks"},
    {LaunchStep::kDropToKeeper, LaunchProcess::kKeeper, "drop_to_keeper",
     "as drop_to_qemu, to the keeper's uid; bound the size of its files",
     "QEMU cannot signal or trace the keeper, nor the keeper QEMU"},
    {LaunchStep::kListenForConsole, LaunchProcess::kKeeper,
     "listen_for_console", "listen(2) on the console's socket",
     "as for the monitors"},
    {LaunchStep::kExecKeeper, LaunchProcess::kKeeper, "exec_keeper",
     "execute the static keeper by descriptor", "the jail need not contain it"},

    {LaunchStep::kAwaitExec, LaunchProcess::kLauncher, "await_exec",
     "wait, for a bounded time, until both have executed",
     "a launch that is answered has a QEMU"},
    {LaunchStep::kRecordLaunched, LaunchProcess::kLauncher, "record_launched",
     "complete the journal entry",
     "from here on a restarted launcher keeps the guest"},
};

// Whether a launch with or without a user namespace of its own takes `info`.
constexpr bool IsTaken(const LaunchStepInfo& info, bool user_namespace) {
  return info.table == LaunchTable::kBoth || user_namespace;
}

inline constexpr int kLaunchStepCount =
    sizeof(kLaunchSteps) / sizeof(kLaunchSteps[0]);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_LAUNCH_LAUNCH_STEPS_H_
