// How QEMU ended, for whoever comes later.
#ifndef INNKEEPER_AGENT_KEEPER_EXIT_RECORD_H_
#define INNKEEPER_AGENT_KEEPER_EXIT_RECORD_H_

namespace innkeeper {

// Makes the file "exit" in `directory`, in one step: a line of JSON,
// {"kind":"exited","value":CODE,"time_unix_ms":T} or
// {"kind":"signaled","value":SIGNAL,"time_unix_ms":T}. `status` is
// waitpid(2)'s. A disk that does not take it leaves no file.
void WriteExitRecord(int directory, int status);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_KEEPER_EXIT_RECORD_H_
