#include "bench/libvirt_host.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "bench/report.h"
#include "libvirt/virterror.h"

namespace innkeeper {
namespace {

namespace fs = std::filesystem;

constexpr char kDaemon[] = "/usr/sbin/libvirtd";
constexpr absl::Duration kPatience = absl::Seconds(120);

// Where libvirtd keeps what it keeps, and its stand-in below our directory.
constexpr struct {
  const char* host;
  const char* ours;
} kPlaces[] = {{"/etc/libvirt", "/etc"},
               {"/run/libvirt", "/run"},
               {"/var/lib/libvirt", "/lib"},
               {"/var/cache/libvirt", "/cache"},
               {"/var/log/libvirt", "/log"}};

void Ignore(void*, virErrorPtr) {}

void RequireVirt(bool good, const char* what) {
  if (good) return;
  const virErrorPtr error = virGetLastError();
  Require(absl::InternalError(error != nullptr ? error->message : "?"), what);
}

std::string DomainXml(const std::string& name, int64_t memory_bytes) {
  return absl::StrCat(
      "<domain type='qemu'><name>", name, "</name><memory unit='b'>",
      memory_bytes, "</memory><vcpu>1</vcpu><os><type arch='x86_64' ",
      "machine='q35'>hvm</type></os><devices><emulator>",
      "/usr/bin/qemu-system-x86_64</emulator><controller type='usb' ",
      "model='none'/><memballoon model='none'/></devices></domain>");
}

}  // namespace

LibvirtHost::LibvirtHost(const std::string& dir) : dir_(dir) {
  if (access(kDaemon, X_OK) != 0) {
    Require(ErrnoError(errno, absl::StrCat(kDaemon,
                                           "; deploy/install-packages "
                                           "bench brings it")),
            "libvirt");
  }
  for (const auto& place : kPlaces) {
    fs::create_directories(place.host);
    fs::create_directories(dir_ + place.ours);
  }
  fs::create_directories(dir_ + "/sock");
  Require(
      WriteFileAtomically(dir_ + "/etc/libvirtd.conf",
                          absl::StrCat("unix_sock_dir = \"", dir_, "/sock\"\n",
                                       "auth_unix_rw = \"none\"\n"),
                          0644),
      "libvirtd.conf");
  // Without the daemons and the controllers that this machine may lack; all of
  // them would only cost libvirt time.
  Require(WriteFileAtomically(
              dir_ + "/etc/qemu.conf",
              "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\n"
              "stdio_handler = \"file\"\ncgroup_controllers = []\n",
              0644),
          "qemu.conf");
  virSetErrorFunc(nullptr, Ignore);
  Start();
  Connect();
}

LibvirtHost::~LibvirtHost() {
  virDomainPtr* domains = nullptr;
  const int count = virConnectListAllDomains(connection_, &domains,
                                             VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  for (int i = 0; i < count; ++i) {
    virDomainDestroy(domains[i]);
    virDomainFree(domains[i]);
  }
  free(domains);
  Disconnect();
  kill(daemon_, SIGTERM);
  waitpid(daemon_, nullptr, 0);
}

void LibvirtHost::Start() {
  const std::string config = dir_ + "/etc/libvirtd.conf";
  const std::string log = dir_ + "/daemon.log";
  daemon_ = fork();
  if (daemon_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int output =
        open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      _exit(126);
    }
    for (const auto& place : kPlaces) {
      if (mount((dir_ + place.ours).c_str(), place.host, nullptr, MS_BIND,
                nullptr) != 0) {
        _exit(126);
      }
    }
    execl(kDaemon, kDaemon, "--config", config.c_str(), nullptr);
    _exit(127);
  }
  const absl::Time deadline = absl::Now() + kPatience;
  std::error_code error;
  while (fs::read_symlink(absl::StrCat("/proc/", daemon_, "/exe"), error) !=
         kDaemon) {
    if (absl::Now() > deadline || waitpid(daemon_, nullptr, WNOHANG) != 0) {
      Require(absl::UnavailableError("it did not start"), kDaemon);
    }
  }
}

void LibvirtHost::Connect() {
  const absl::Time deadline = absl::Now() + kPatience;
  const std::string uri =
      absl::StrCat("qemu+unix:///system?socket=", dir_, "/sock/libvirt-sock");
  while ((connection_ = virConnectOpen(uri.c_str())) == nullptr) {
    if (absl::Now() > deadline) RequireVirt(false, "connect to libvirtd");
  }
}

void LibvirtHost::Disconnect() {
  if (connection_ != nullptr) virConnectClose(connection_);
  connection_ = nullptr;
}

pid_t LibvirtHost::Launch(const std::string& name, int64_t memory_bytes) {
  const virDomainPtr domain =
      virDomainCreateXML(connection_, DomainXml(name, memory_bytes).c_str(),
                         VIR_DOMAIN_START_PAUSED);
  RequireVirt(domain != nullptr, "virDomainCreateXML");
  virDomainFree(domain);
  pid_t pid = 0;
  const std::string text =
      Require(ReadFile(absl::StrCat(dir_, "/run/qemu/", name, ".pid"), 64),
              "libvirt's pid file");
  if (!absl::SimpleAtoi(text, &pid)) {
    Require(absl::InternalError(text), "libvirt's pid file");
  }
  return pid;
}

int LibvirtHost::CountActive() const {
  virDomainPtr* domains = nullptr;
  const int count = virConnectListAllDomains(connection_, &domains,
                                             VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  for (int i = 0; i < count; ++i) virDomainFree(domains[i]);
  free(domains);
  return count;
}

absl::Duration LibvirtHost::Restart(int guests) {
  Disconnect();
  kill(daemon_, SIGKILL);
  waitpid(daemon_, nullptr, 0);
  Start();
  const absl::Time start = absl::Now();
  Connect();
  while (CountActive() != guests) {
    if (absl::Now() - start > kPatience) {
      Require(absl::DeadlineExceededError("no complete list"), "libvirtd");
    }
  }
  return absl::Now() - start;
}

}  // namespace innkeeper
