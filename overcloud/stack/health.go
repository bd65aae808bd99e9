package stack

// States of a service.
const (
	Healthy     = "ok"
	Unhealthy   = "failed"
	Unreachable = "unreachable" // the machine itself
)

// ServiceHealth is how a service of a machine is.
type ServiceHealth struct {
	Node    string `json:"node"`
	Role    string `json:"role"`
	Service string `json:"service"`
	State   string `json:"state"`
	Detail  string `json:"detail"` // what is wrong; no secret
}
