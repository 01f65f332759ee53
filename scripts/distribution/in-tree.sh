#!/bin/sh
# Runs the command in the container's file tree as an engine would, without one:
#
#     in-tree.sh TREE FOLDER [ARGS]
#
# The tree cannot be written to, but for its /tmp; FOLDER is where the data is, at the same path inside; /proc and /dev
# are the machine's. Inside, the caller is the image's user, who has no rights that the caller has not. Needs root.
set -eu
tree=$1
folder=$2
shift 2
case $PWD/ in
  "$folder"/*) where=$PWD ;;
  *) where=/ ;;
esac
# One process after the other in the same place: signals reach the command, and its exit code is this one's.
exec unshare --mount --propagation private sh -eu -c '
  tree=$1
  folder=$2
  where=$3
  shift 3
  mount -t tmpfs -o mode=755 none /mnt
  mkdir /mnt/root /mnt/data
  mount --bind "$tree" /mnt/root
  mount --bind "$folder" /mnt/data
  mount -t tmpfs -o mode=1777 none /mnt/root/tmp
  mkdir -p "/mnt/root$folder"
  mount --bind /mnt/data "/mnt/root$folder"
  mount --rbind /proc /mnt/root/proc
  mount --rbind /dev /mnt/root/dev
  mount -o remount,ro,bind /mnt/root
  cd /
  exec unshare --user --map-user=65532 --map-group=65532 --root=/mnt/root --wd="$where" /usr/local/bin/litestream "$@"
' sh "$tree" "$folder" "$where" "$@"
