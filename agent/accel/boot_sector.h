// The smallest guest: one boot sector, which ends its QEMU.
#ifndef INNKEEPER_AGENT_ACCEL_BOOT_SECTOR_H_
#define INNKEEPER_AGENT_ACCEL_BOOT_SECTOR_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace innkeeper {

// What the sector writes to the port of isa-debug-exit, and the exit status
// that QEMU makes of it.
inline constexpr uint8_t kProbeExitCode = 0x2a;
inline constexpr int kProbeExitStatus = kProbeExitCode << 1 | 1;

namespace boot_sector_internal {

// Runs at 0x7c00 in real mode. Before it reports success it reads and writes a
// model-specific register, as every kernel does first: some hosts offer a KVM
// that hangs or dies on just that.
inline constexpr uint8_t kCode[] = {
    0xfa,                                          // cli
    0x66, 0xb9,           0x80, 0x00, 0x00, 0xc0,  // mov ecx, 0xc0000080 (EFER)
    0x0f, 0x32,                                    // rdmsr
    0x0f, 0x30,                                    // wrmsr
    0x0f, 0x20,           0xc0,                    // mov eax, cr0
    0x0f, 0x22,           0xc0,                    // mov cr0, eax
    0xba, 0x01,           0x05,  // mov dx, 0x501 (isa-debug-exit)
    0xb0, kProbeExitCode,        // mov al, kProbeExitCode
    0xee,                        // out dx, al
    0xf4,                        // hlt
    0xeb, 0xfd,                  // jmp to hlt
};

constexpr std::array<uint8_t, 512> Make() {
  std::array<uint8_t, 512> sector = {};
  for (size_t i = 0; i < sizeof(kCode); ++i) sector[i] = kCode[i];
  // By which firmware knows a boot sector.
  sector[510] = 0x55;
  sector[511] = 0xaa;
  return sector;
}

}  // namespace boot_sector_internal

inline constexpr std::array<uint8_t, 512> kProbeBootSector =
    boot_sector_internal::Make();

}  // namespace innkeeper

#endif  // INNKEEPER_AGENT_ACCEL_BOOT_SECTOR_H_
