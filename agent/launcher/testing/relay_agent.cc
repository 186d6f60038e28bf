// Stands for the agent in tests: hands the launcher's socket to the test.
//
//   relay_agent PATH   connects to the unix socket PATH, sends descriptor 3
//                      over it and exits once the test closes the connection.
//   relay_agent --exit exits at once, as an agent that cannot start.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 2 || strcmp(argv[1], "--exit") == 0) return 3;
  const int test = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
  if (connect(test, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    return 4;
  }
  char byte = 'a';
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int launcher = 3;
  memcpy(CMSG_DATA(rights), &launcher, sizeof(launcher));
  if (sendmsg(test, &message, MSG_NOSIGNAL) != 1) return 5;
  // Kept, it would hide from the launcher that the test has let go.
  close(launcher);
  while (read(test, &byte, 1) < 0 && errno == EINTR) {
  }
  return 0;
}
