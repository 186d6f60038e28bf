# Debian's cloud kernel as a package, for the guests of tests. Sourced, never
# run, after deploy/lib/common.sh.
# shellcheck shell=bash

# The package that the meta package stands for today.
kernel_package() {
  apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }'
}

download_kernel() {
  local package
  package=$(kernel_package)
  [[ -n $package ]] && (cd "$1" && apt_get download "$package")
}

# fetch_kernel CACHE: the path of the newest kernel package in CACHE.
fetch_kernel() {
  local cache=$1 partial
  newest_kernel "$cache" && return 0
  partial=$(mktemp -d "$cache/partial.XXXXXX")
  download_kernel "$partial" || {
    refresh_apt_lists >&2
    download_kernel "$partial" || die "apt-get could not download Debian's" \
      "linux-image-cloud-amd64; check /etc/apt/sources.list"
  }
  mv "$partial"/*.deb "$cache/"
  rmdir "$partial"
  newest_kernel "$cache"
}

newest_kernel() {
  find "$1" -maxdepth 1 -name 'linux-image-*-cloud-amd64_*.deb' |
    sort --version-sort | tail -n 1 | grep .
}
