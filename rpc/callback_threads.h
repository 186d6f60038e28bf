// The threads on which gRPC runs our callbacks.
#ifndef INNKEEPER_RPC_CALLBACK_THREADS_H_
#define INNKEEPER_RPC_CALLBACK_THREADS_H_

namespace innkeeper {

// Keeps gRPC's callback threads for the rest of the process. To be called
// before the first call with a callback; thread-safe, and cheap when repeated.
//
// gRPC 1.51 ends those threads with the last channel or server that used them.
// Where that goes inside of a callback, the thread would wait for itself, be
// refused (EDEADLK), free its queue and go on in it.
void KeepCallbackThreads();

}  // namespace innkeeper

#endif  // INNKEEPER_RPC_CALLBACK_THREADS_H_
