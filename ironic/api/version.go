package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// The microversions whose behaviour this package has, as minors of 1.
const (
	minMinor = 1
	maxMinor = 110
)

// Headers of version negotiation (Ironic API reference, "API versioning"), as net/http spells them:
// another spelling is put right at each use, which every request has several of.
const (
	headerVersion  = "X-Openstack-Ironic-Api-Version"
	headerMin      = "X-Openstack-Ironic-Api-Minimum-Version"
	headerMax      = "X-Openstack-Ironic-Api-Maximum-Version"
	headerSingular = "Openstack-Api-Version" // the one of all of OpenStack: "baremetal 1.83, compute 2.1"
)

// spelledVersion is headerVersion as people write it.
const spelledVersion = "X-OpenStack-Ironic-API-Version"

// singularSince is the lowest version that the header of all of OpenStack may
// name. Ironic ignored that header until 25.0; who asks by it for less was
// written for a service that answers 1.1, and is answered so.
const singularSince = 83

func versionText(minor int) string { return "1." + strconv.Itoa(minor) }

// askedVersion is the version that a request names. Ironic's own header counts
// first; the other is for clients that send nothing else.
func askedVersion(h http.Header) string {
	if own := h.Get(headerVersion); own != "" {
		return own
	}
	for _, part := range strings.Split(strings.Join(h.Values(headerSingular), ","), ",") {
		service, version, _ := strings.Cut(strings.TrimSpace(part), " ")
		version = strings.TrimSpace(version)
		if !strings.EqualFold(service, "baremetal") {
			continue
		}
		if major, minor, ok := parseVersion(version); ok && major == 1 && minor >= singularSince || strings.EqualFold(version, "latest") {
			return version
		}
	}
	return ""
}

// negotiate reads the version a client asks for; without one it is the lowest.
// The error is the 406 to send. "latest" is the highest.
func negotiate(h http.Header) (int, error) {
	text := strings.TrimSpace(askedVersion(h))
	switch {
	case text == "":
		return minMinor, nil
	case strings.EqualFold(text, "latest"):
		return maxMinor, nil
	}
	major, minor, ok := parseVersion(text)
	if !ok {
		return 0, &apiError{status: http.StatusNotAcceptable, router: true,
			text: fmt.Sprintf("Invalid value for %s header", spelledVersion),
			hint: fmt.Sprintf("expected latest, or a version from %s to %s", versionText(minMinor), versionText(maxMinor))}
	}
	if major != 1 {
		return 0, &apiError{status: http.StatusNotAcceptable, router: true,
			text: fmt.Sprintf("Mutually exclusive versions requested. Version %d.%d requested but not supported by this service. "+
				"The supported version range is: [%s, %s].", major, minor, versionText(minMinor), versionText(maxMinor))}
	}
	if minor < minMinor || minor > maxMinor {
		return 0, &apiError{status: http.StatusNotAcceptable, router: true,
			text: fmt.Sprintf("Version %d.%d was requested but the minor version is not supported by this service. "+
				"The supported version range is: [%s, %s].", major, minor, versionText(minMinor), versionText(maxMinor))}
	}
	return minor, nil
}

func parseVersion(text string) (major, minor int, ok bool) {
	a, b, found := strings.Cut(text, ".")
	if !found {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	return major, minor, err1 == nil && err2 == nil && major >= 0 && minor >= 0
}
