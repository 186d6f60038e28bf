// How large an image's file can get by being used as it is meant to be.
#ifndef INNKEEPER_AGENT_IMAGE_FILE_BOUND_H_
#define INNKEEPER_AGENT_IMAGE_FILE_BOUND_H_

#include <cstdint>

#include "agent/image/header_parser.h"

namespace innkeeper {

// Bytes that no write of a guest brings the file of `image` beyond. A raw
// image's is its size. A qcow2 image may have every cluster written anew, after
// what the file has now, for snapshots that are in it keep the old ones; the
// tables for all of that come on top. A little generous, never too small.
// Thread-safe.
int64_t MaxFileBytes(const ImageInfo& image);

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_IMAGE_FILE_BOUND_H_
