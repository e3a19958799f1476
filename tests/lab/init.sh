#!/bin/sh
# First process of the booted kernel: puts a scratch overlay over the host's files (which stay read-only), makes it
# the root, so that the kernel's own module loading sees it too, and runs the job that lies beside this file.
# Whatever happens, it ends by switching the machine off; the last line on the console carries the job's status.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}"
here=${0%/*}
exec </dev/tty1 >/dev/tty1 2>&1
. "$here/job.sh" # sets LIMIT and CONSOLE, defines job
[ "$CONSOLE" = pipe ] && stty -opost

# modprobe and the kernel look in /lib/modules; the package keeps the modules elsewhere and an ordinary user
# cannot make the link on the host, so it is made in the overlay, and the overlay's own module is found by -d.
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/upper /mnt/scratch /mnt/root /mnt/early/lib
ln -s /usr/lib/uml/modules /mnt/early/lib/modules
modprobe -d /mnt/early overlay &&
    mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/scratch overlay /mnt/root &&
    cd /mnt/root || echo "lab: no overlay over the host's files"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts dev/shm
mount -t devpts -o ptmxmode=666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mkdir run/host
pivot_root . run/host
rm -rf /lib/modules
mkdir -p /lib/modules
ln -s /usr/lib/uml/modules/* /lib/modules/

(sleep "$LIMIT"; echo "lab: the boot's time limit of $LIMIT s has passed"; echo o >/proc/sysrq-trigger) &
(job)
printf '\036%s\n' "$?"
sleep 0.1 # the console's last bytes
echo o >/proc/sysrq-trigger
sleep 10
