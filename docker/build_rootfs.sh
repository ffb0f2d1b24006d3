#!/bin/bash
# Makes the root file system of the image in an empty folder. The Dockerfile runs it in its build stage, the tests
# run it on the machine they are on, so that both have the same.
#
#   docker/build_rootfs.sh --out DIR --program FILE --tools FILE [--cache DIR]
#
# --program   the broker, build/release/bin/barnabas
# --tools     the tools as one program, build/release/bin/barnabas-tools
# --cache     where Debian packages are kept between runs; default: a folder that goes away
#
# It needs Debian 12, apt-get, dpkg-deb, ldd, strip, and root (the image's files belong to several users). The
# userland comes from Debian's packages: bash, the GNU programs that scripts expect, and busybox for the rest.
# Libraries are what ldd says that the programs need.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out='' program='' tools='' cache=''
while (($#)); do
  case $1 in
    --out) out=$2 ;;
    --program) program=$2 ;;
    --tools) tools=$2 ;;
    --cache) cache=$2 ;;
    *) echo "$0: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
[[ -n $out && -n $program && -n $tools ]] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
((EUID == 0)) || { echo "$0: files of several users can be made by root only" >&2; exit 1; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
[[ -z $(ls -A "$out") ]] || { echo "$0: $out is not empty" >&2; exit 1; }

packages=(bash busybox-static coreutils sed grep hostname netcat-openbsd libbsd0 libmd0 libc6)

fetch_packages() {
  if [[ -z $cache ]]; then
    cache=$(mktemp -d)
    trap 'rm -rf "$cache"' EXIT
  fi
  mkdir -p "$cache"
  local package missing=()
  for package in "${packages[@]}"; do
    compgen -G "$cache/${package}_*.deb" >/dev/null || missing+=("$package")
  done
  if ((${#missing[@]})); then
    (cd "$cache" && { apt-get download -q "${missing[@]}" || { apt-get update -q && apt-get download -q "${missing[@]}"; }; }) >&2
  fi
}

# What a package is for, without manuals, translations and character sets that nobody converts from.
unpack_packages() {
  local package
  for package in "${packages[@]}"; do
    dpkg-deb --fsys-tarfile "$(compgen -G "$cache/${package}_*.deb" | tail -1)" |
      tar -x -C "$out" --keep-directory-symlink --no-same-permissions \
        --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
        --exclude='./usr/share/info/*' --exclude='./usr/share/lintian/*' --exclude='./usr/share/initramfs-tools/*' \
        --exclude='*/gconv/*' --exclude='./usr/share/menu/*' --exclude='./usr/lib/*/audit/*'
  done
}

make_folders() {
  mkdir -p "$out"/usr/{bin,sbin,lib,lib64,share} "$out"/{dev,etc,home,proc,root,run,sys,tmp,var/tmp,var/log}
  local folder
  for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$out/$folder"; done
  chmod 1777 "$out/tmp" "$out/var/tmp"
}

install_programs() {
  install -m 755 -D "$program" "$out/opt/kafka/libs/barnabas"
  strip --strip-all "$out/opt/kafka/libs/barnabas"
  ln -s /opt/kafka/libs/barnabas "$out/usr/bin/barnabas"
  install -m 755 "$tools" "$out/opt/kafka/libs/barnabas-tools"
  strip --strip-all "$out/opt/kafka/libs/barnabas-tools"
  ln -s /opt/kafka/libs/barnabas-tools "$out/usr/bin/barnabas-tools"
}

# Debian's busybox is static; every other program brings its libraries along.
install_libraries() {
  local program library
  { for program in "$out"/opt/kafka/libs/* "$out"/usr/bin/{bash,cat,sed,grep,hostname,ls,sort,cp}; do
      [[ -L $program ]] || ldd "$program"
    done; } | sed -nE 's/^[^/]*(\/[^ ]+) .*/\1/p' | sort -u | while read -r library; do
    local name=${library##*/}
    # The dynamic loader and the C library are there already, from their package.
    [[ -n $(find "$out/usr/lib" "$out/usr/lib64" -name "$name" -print -quit) ]] && continue
    install -m 644 -D "$(readlink -f "$library")" "$out/usr/lib/x86_64-linux-gnu/$name"
  done
}

# busybox gives every name that no other package has: ps, awk, find, nc, wget, vi, tar, ip, su...
install_busybox() {
  local applet
  for applet in $("$out/bin/busybox" --list); do
    [[ -e $out/usr/bin/$applet || -L $out/usr/bin/$applet || -e $out/usr/sbin/$applet ]] ||
      ln -s busybox "$out/usr/bin/$applet"
  done
  ln -sf nc.openbsd "$out/usr/bin/nc"  # health checks say `nc -z`, which Debian's busybox does not know
  ln -sf bash "$out/usr/bin/sh"
}

make_users() {
  cat >"$out/etc/passwd" <<-'END'
	root:x:0:0:root:/root:/bin/bash
	appuser:x:1000:1000::/home/appuser:/bin/bash
	kafka:x:1001:0::/opt/kafka:/bin/bash
	nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
	END
  cat >"$out/etc/group" <<-'END'
	root:x:0:appuser,kafka
	appuser:x:1000:
	nogroup:x:65534:
	END
  echo 'hosts: files dns' >"$out/etc/nsswitch.conf"
  echo '127.0.0.1 localhost' >"$out/etc/hosts"
  printf 'PRETTY_NAME="Barnabas"\nNAME="Barnabas"\nID=debian\nVERSION_ID="12"\n' >"$out/etc/os-release"
}

# name_of_script target: with .sh where Apache Kafka's image has it, without in Confluent's.
link_tool() {
  ln -sf "$2" "$out/opt/kafka/bin/$1.sh"
  ln -sf "$2" "$out/usr/bin/$1"
}

install_contracts() {
  mkdir -p "$out"/opt/kafka/{bin,config,logs} "$out"/etc/kafka/{docker,secrets} "$out/etc/confluent/docker"
  local script
  for script in "$here"/bin/*; do
    install -m 755 "$script" "$out/opt/kafka/libs/${script##*/}"
  done
  # Links by every name that the tools have, made by the program itself.
  "$tools" install "$out/opt/kafka/bin" >/dev/null
  for script in "$out"/opt/kafka/bin/*; do
    script=${script##*/}
    link_tool "${script%.sh}" /opt/kafka/libs/barnabas-tools
    [[ $script == *.sh ]] || rm "$out/opt/kafka/bin/$script"
  done
  for script in kafka-server-start kafka-server-stop kafka-run-class zookeeper-server-start; do
    link_tool "$script" "/opt/kafka/libs/$script"
  done
  for script in ub cub dub; do ln -s /opt/kafka/libs/ub "$out/usr/bin/$script"; done
  install -m 644 "$here/classes.txt" "$out/opt/kafka/libs/"
  ln -s libs/kafka.Kafka "$out/opt/kafka/kafka.Kafka"
  install -m 755 "$here"/apache/{run,configure,configureDefaults,bash-config,launch} "$out/etc/kafka/docker/"
  install -m 644 "$here"/apache/*.{properties,yaml} "$out/etc/kafka/docker/"
  cp "$here"/apache/*.{properties,yaml} "$out/opt/kafka/config/"
  install -m 755 "$here"/confluent/* "$out/etc/confluent/docker/"
  cp "$here"/apache/*.yaml "$out/etc/kafka/"
  install -m 755 "$here/cacert_entrypoint.sh" "$out/__cacert_entrypoint.sh"
}

make_writable_places() {
  mkdir -p "$out"/{home/appuser,usr/logs,mnt/shared/config,var/lib/kafka/data,var/lib/zookeeper/{data,log},bitnami/kafka/data}
  chown -R 1000:1000 "$out"/{home/appuser,usr/logs,opt/kafka,mnt/shared/config}
  chown -R 1000:0 "$out"/{var/lib/kafka,etc/kafka,etc/confluent,var/lib/zookeeper,bitnami}
  chmod -R ug+w "$out"/{usr/logs,opt/kafka,mnt/shared/config,var/lib/kafka,etc/kafka,etc/confluent,var/lib/zookeeper,bitnami}
  # Strimzi's containers run as 1001 in group 0.
  chgrp -R 0 "$out/opt/kafka"
}

umask 022
fetch_packages
make_folders
unpack_packages
install_programs
install_libraries
install_busybox
make_users
install_contracts
make_writable_places
