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
	maxMinor = 82
)

// Headers of version negotiation (Ironic API reference, "API versioning").
const (
	headerVersion = "X-OpenStack-Ironic-API-Version"
	headerMin     = "X-OpenStack-Ironic-API-Minimum-Version"
	headerMax     = "X-OpenStack-Ironic-API-Maximum-Version"
)

func versionText(minor int) string { return "1." + strconv.Itoa(minor) }

// negotiate reads the version a client asks for; without the header it is the
// lowest. The error is the 406 to send. "latest" is the highest.
func negotiate(header string) (int, error) {
	text := strings.TrimSpace(header)
	switch {
	case text == "":
		return minMinor, nil
	case strings.EqualFold(text, "latest"):
		return maxMinor, nil
	}
	major, minor, ok := parseVersion(text)
	if !ok {
		return 0, &apiError{status: http.StatusNotAcceptable, router: true,
			text: fmt.Sprintf("Invalid value for %s header", headerVersion)}
	}
	if major != 1 || minor < minMinor || minor > maxMinor {
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
