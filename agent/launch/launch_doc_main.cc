// Writes docs/launch.md to standard output.
#include <cstdio>

#include "agent/launch/launch_doc.h"

int main() { return fputs(innkeeper::LaunchDoc().c_str(), stdout) < 0 ? 1 : 0; }
