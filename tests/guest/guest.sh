# The commands of the test guest: mark, show_disk, flood, reboot, poweroff.
# Sourced by /init and by each shell.
# shellcheck shell=dash

# first_disk: the disk that the guest was given first, as a device.
first_disk() {
  for disk in /dev/vda /dev/vdb; do
    if [ -b "$disk" ]; then
      echo "$disk"
      return 0
    fi
  done
  return 1
}

# sector DISK NUMBER: the text in it, without its padding.
sector() {
  dd if="$1" bs=512 skip="$2" count=1 2>/dev/null | tr -d '\000'
}

# Says what sector 0 (the maker's marker) and sector 1 (our own note) hold.
show_disk() {
  disk=$(first_disk) || {
    echo 'disk marker: no disk'
    return 1
  }
  marker=$(sector "$disk" 0)
  case $marker in
    MARKER=*) echo "disk marker: ${marker#MARKER=}" ;;
    *) echo 'disk marker: none' ;;
  esac
  note=$(sector "$disk" 1)
  case $note in
    'note: '*) echo "$note" ;;
  esac
}

# mark TEXT: leaves TEXT on the first disk; every later boot shows it.
mark() {
  disk=$(first_disk) &&
    printf 'note: %s' "$*" |
    dd of="$disk" bs=512 seek=1 conv=sync 2>/dev/null &&
    sync &&
    echo "marked: $*"
}

# flood MEBIBYTES: that much text on the console.
flood() {
  yes 'the quick brown fox jumps over the lazy dog and floods the console' |
    head -c "$(($1 * 1048576))"
  echo 'flooded'
}

reboot() {
  sync
  busybox reboot -f
}

poweroff() {
  sync
  busybox poweroff -f
}
