// Stands for QEMU where it misbehaves. The guest's id says how:
//
//   exits...    ends at once with status 3 and a word on standard error
//   silent...   listens on its monitor and says nothing
//   endless...  begins a greeting that never ends
//   nested...   greets with JSON that is nested a million times
//   dies...     serves its monitor, and aborts soon after it was let run
//   mute...     serves its monitor until it is let run, then never again
//   idle...     serves its monitor for ever, as a guest that stays paused
//   floods...   serves its monitor; once it was let run it writes 1 GiB to its
//               console, and behind it a last line, "flooded"
//
// Any other guest, and what the agent asks of QEMU outside of guests, is left
// to the real QEMU.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

namespace {

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";
constexpr size_t kFloodBytes = size_t{1} << 30;

// What follows `key` in `text`, up to a comma.
std::string ValueOf(const std::string& text, const std::string& key) {
  const size_t start = text.find(key);
  if (start == std::string::npos) return "";
  const std::string rest = text.substr(start + key.size());
  return rest.substr(0, rest.find(','));
}

void Write(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t some = write(fd, text.data() + done, text.size() - done);
    if (some < 0 && errno == EAGAIN) {
      pollfd writable = {fd, POLLOUT, 0};
      poll(&writable, 1, -1);
      continue;
    }
    // Nobody listens: there is nothing more to do for this connection.
    if (some <= 0) return;
    done += static_cast<size_t>(some);
  }
}

[[noreturn]] void Sleep() {
  while (true) pause();
}

// Answers what `command`, one line, asks for.
std::string Answer(const std::string& command) {
  const size_t start = command.find("\"id\":");
  const size_t end = command.find_first_of(",}", start);
  const std::string id = start == std::string::npos
                             ? ""
                             : ", " + command.substr(start, end - start);
  const bool status = command.find("query-status") != std::string::npos;
  return std::string("{\"return\": ") +
         (status ? R"({"status": "prelaunch", "running": false})" : "{}") + id +
         "}\n";
}

void Flood(int console) {
  const std::string line(127, '~');
  std::string block;
  while (block.size() < 65536) block += line + "\n";
  for (size_t sent = 0; sent < kFloodBytes; sent += block.size()) {
    Write(console, block);
  }
  Write(console, "flooded\n");
}

// Serves one connection until `let_run`, which each "cont" calls, says no.
void Serve(int fd, const std::function<bool()>& let_run) {
  Write(fd, R"({"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, )"
            R"("major": 7}, "package": ""}, "capabilities": []}})"
            "\n");
  std::string input;
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
    input.append(buffer, static_cast<size_t>(got));
    size_t newline;
    while ((newline = input.find('\n')) != std::string::npos) {
      const std::string command = input.substr(0, newline);
      input.erase(0, newline + 1);
      Write(fd, Answer(command));
      const bool runs = command.find("\"cont\"") != std::string::npos;
      if (runs && !let_run()) return;
    }
  }
}

// Whoever connects, one after the other: agents come back.
[[noreturn]] void Idle(int monitor) {
  while (true) {
    const int fd = accept(monitor, nullptr, nullptr);
    if (fd < 0) continue;
    Serve(fd, [] { return false; });
    close(fd);
  }
}

int Misbehave(const std::string& guest, int monitor, int console) {
  const auto is = [&](const char* how) { return guest.rfind(how, 0) == 0; };
  if (is("exits")) {
    fprintf(stderr, "fake: no such device\n");
    return 3;
  }
  if (is("silent")) Sleep();
  if (is("idle")) Idle(monitor);
  const int fd = accept(monitor, nullptr, nullptr);
  if (is("endless")) {
    Write(fd, R"({"QMP": {"version": ")");
    const std::string block(65536, 'x');
    // Until the reader goes away, and then for as long as it is let live.
    while (write(fd, block.data(), block.size()) > 0) {
    }
    Sleep();
  }
  if (is("nested")) {
    Write(fd, R"({"QMP": )" + std::string(1 << 20, '[') + "\n");
    Sleep();
  }
  if (is("floods")) {
    Serve(fd, [console] {
      std::thread(Flood, console).detach();
      return true;
    });
    Sleep();
  }
  Serve(fd, [] { return false; });
  if (is("mute")) Sleep();
  usleep(300 * 1000);
  fprintf(stderr, "fake: a bug, say\n");
  abort();
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  std::string guest;
  int monitor = -1;
  int console = -1;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("guest=", 0) == 0) guest = ValueOf(argument, "guest=");
    if (argument.rfind("socket,id=qmp,", 0) == 0) {
      monitor = atoi(ValueOf(argument, ",fd=").c_str());
    }
    if (argument.rfind("socket,id=console,", 0) == 0) {
      console = atoi(ValueOf(argument, ",fd=").c_str());
    }
  }
  for (const char* const how : {"exits", "silent", "endless", "nested", "dies",
                                "mute", "idle", "floods"}) {
    if (guest.rfind(how, 0) == 0) return Misbehave(guest, monitor, console);
  }
  argv[0] = const_cast<char*>(kQemu);
  execv(kQemu, argv);
  return 127;
}
