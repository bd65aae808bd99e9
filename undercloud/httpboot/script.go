package httpboot

import (
	"slices"
	"strings"

	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/driver"
)

// EntryScript is what every iPXE gets: it asks for the script of the interface
// that booted, then of each other one. DHCP has answered, so the machine is
// published; when nobody knows it, the undercloud is just restarting: it asks
// again for about a minute before it leaves the machine to its next boot device.
func EntryScript() string {
	var b strings.Builder
	b.WriteString(`#!ipxe
# Trefoil: find this machine's script by the MAC address of one of its interfaces.
set attempt:int32 1
:search
isset ${mac} && chain --autofree pxelinux.cfg/${mac:hexhyp} ||
`)
	for _, n := range []string{"net0", "net1", "net2", "net3", "net4", "net5", "net6", "net7"} {
		b.WriteString("isset ${" + n + "/mac} && chain --autofree pxelinux.cfg/${" + n + "/mac:hexhyp} ||\n")
	}
	b.WriteString(`iseq ${attempt} 10 && goto give_up ||
echo No boot script yet, attempt ${attempt} of 10
sleep ${attempt}
inc attempt
goto search
:give_up
echo No boot is published for this machine. Trying the next boot device.
exit 1
`)
	return b.String()
}

// NodeScript is the script of one published node. The kernel's name for the
// ramdisk (initrd=) is what a UEFI kernel looks for; BIOS kernels ignore it.
// Ten tries with growing pauses, as Ironic's template does, then power off.
func NodeScript(baseURL string, e driver.BootEntry) string {
	base := baseURL + "/nodes/" + e.NodeUUID
	args := append([]string{"selinux=0", "nofb", "nomodeset"}, e.Params...)
	args = append(args, "BOOTIF=${mac}", "initrd=ramdisk")
	var b strings.Builder
	b.WriteString("#!ipxe\n")
	b.WriteString("# node " + e.NodeUUID + ", " + mode(e) + ", to " + e.Purpose + "\n")
	b.WriteString(`set attempt:int32 1
set pause:int32 1
:retry
imgfree
kernel ` + base + `/kernel ` + strings.Join(args, " ") + ` || goto failed
initrd --name ramdisk ` + base + `/ramdisk || goto failed
boot || goto failed
:failed
iseq ${attempt} 10 && goto give_up ||
echo Boot failed, attempt ${attempt} of 10; next in ${pause} s
sleep ${pause}
inc attempt
inc pause 3
goto retry
:give_up
echo Boot failed ten times. ` + giveUp(e) + "\n")
	return b.String()
}

// giveUp is how a machine ends that could not be booted.
func giveUp(e driver.BootEntry) string {
	if slices.Contains(e.Params, agentapi.StayOn) {
		return "Starting anew.\nreboot"
	}
	return "Powering off.\npoweroff"
}

func mode(e driver.BootEntry) string {
	if e.BootMode == "" {
		return ironic.BIOS
	}
	return e.BootMode
}
