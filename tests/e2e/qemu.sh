#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A guest gets devices of rack demo from QEMU's vfio-pci over iommufd: qemu.sh BARTER.
#   QEMU          the command, with -L and the like if needed; from QEMU 9.0 on it has iommufd
#   GUEST_KERNEL  a Linux for x86 with the ioatdma driver inside: then it is booted, and its driver must have found that
#                 the engine copies and interrupts. Needs a static busybox, and cpio.
barter=$1
qemu=${QEMU:-qemu-system-x86_64}
engine='0000:03:00.0' card='0000:05:00.0'

skip() {
	echo "skipped: $*"
	exit 77
}
# shellcheck disable=SC2086 # its words are arguments
objects=$($qemu -object help 2>/dev/null) || skip "$qemu does not run"
case $objects in
*iommufd*) ;;
*) skip "$qemu knows no iommufd: it came with QEMU 9.0" ;;
esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

guest() {
	# shellcheck disable=SC2086
	timeout 100 "$barter" run --rack demo -- $qemu -machine q35,kernel-irqchip=split -accel tcg -cpu max -m 256 -nodefaults \
		-display none -no-reboot -object iommufd,id=iommufd0 -device vfio-pci,host=$engine,iommufd=iommufd0 \
		-device vfio-pci,host=$card,iommufd=iommufd0 "$@" >"$work/log" 2>&1
}
expect() {
	for text; do
		grep -q -- "$text" "$work/log" && continue
		echo "not there: $text"
		cat "$work/log"
		exit 1
	done
}

printf 'info pci\nquit\n' >"$work/monitor"
guest -monitor stdio <"$work/monitor" || expect 'exit status 0'
expect 'PCI device 8086:2021' 'PCI device 1af4:1110' 'BAR2: 64 bit prefetchable memory'

[ -n "${GUEST_KERNEL:-}" ] || exit 0
busybox=$(command -v busybox) && command -v cpio >/dev/null || skip 'booting a guest: no busybox or no cpio'
mkdir -p "$work/root/bin" "$work/root/proc" "$work/root/sys"
cp "$busybox" "$work/root/bin/busybox"
cat >"$work/root/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b ls /sys/class/dma
$b grep ioat /proc/interrupts
$b cat /sys/bus/pci/devices/*/device
$b poweroff -f
INIT
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc --quiet) >"$work/initrd" || exit 1
guest -kernel "$GUEST_KERNEL" -initrd "$work/initrd" -append 'console=ttyS0 panic=-1 quiet intel_iommu=off' -serial stdio \
	</dev/null || expect 'exit status 0'
expect 'dma0chan0' 'ioat-msix' '0x1110'
