# Inside a mount namespace of its own: the package's files appear over the host's, which stay as they are.
#   package_enter.sh FOLDER install PACKAGE...       installs with dpkg, for later calls with the same FOLDER too
#   package_enter.sh FOLDER run WORDS...             what the unit takes away of the file system, then the program
# FOLDER is on a tmpfs: an overlay's upper half may not be on an overlay.
set -e
folder=$1 stage=$2
shift 2
mount --make-rprivate /
for top in usr etc var; do
    mkdir -p "$folder/$top" "$folder/work-$top"
    mount -t overlay overlay -o "lowerdir=/$top,upperdir=$folder/$top,workdir=$folder/work-$top" "/$top"
done
if [ "$stage" = install ]; then
    exec dpkg --install "$@"
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
