# Mount namespaces in which the package's files appear over the host's, which stay as they are.
#   package_enter.sh FOLDER hold             makes the first, which the package is installed in, and stays in it
#   package_enter.sh FOLDER run WORDS...     in another one below it: what the unit takes away of the file system, then the
#                                            program
# FOLDER is on a tmpfs: an overlay's upper half may not be on an overlay.
set -e
folder=$1 stage=$2
shift 2
mount --make-rprivate /

if [ "$stage" = hold ]; then
    for top in usr etc var; do
        mkdir -p "$folder/$top" "$folder/work-$top"
        mount -t overlay overlay -o "lowerdir=/$top,upperdir=$folder/$top,workdir=$folder/work-$top" "/$top"
    done
    # The package's scripts find systemd here; what they tell it to do is written down, and done by the test.
    mkdir -p /run/systemd "$folder/systemd/system" /run/evenkeel "$folder/runtime"
    mount --bind "$folder/systemd" /run/systemd
    mount --bind "$folder/runtime" /run/evenkeel
    : >"$folder/systemctl.log"
    rm -f /usr/bin/systemctl
    cat >/usr/bin/systemctl <<END
#!/bin/sh
echo "\$*" >>"$folder/systemctl.log"
case "\$*" in *is-enabled* | *is-active*) exit 1 ;; esac
END
    chmod 755 /usr/bin/systemctl
    touch "$folder/held"
    exec sleep infinity
fi

# ProtectSystem=full, ProtectHome=read-only
for top in /usr /boot /etc /home /root; do
    mount --bind "$top" "$top"
    mount -o remount,bind,ro "$top"
done
# PrivateDevices=yes keeps the socket of the system log.
mkdir -p "$folder/dev/pts" "$folder/dev/shm"
for node in null zero full random urandom tty; do
    touch "$folder/dev/$node"
    mount --bind "/dev/$node" "$folder/dev/$node"
done
touch "$folder/dev/log"
mount --bind "$folder/syslog" "$folder/dev/log"
mount --rbind "$folder/dev" /dev
# ProtectKernelModules=yes
mount -t tmpfs -o ro,mode=000 tmpfs "$(readlink -f /lib/modules)"
exec "$@"
