package identity

import (
	"context"

	"trefoil/ironic/policy"
)

// Caller is who sent a request, in the words of the bare-metal API's policies. An
// administrator of the undercloud, or of an external Keystone's admin project, speaks
// for the whole system, whatever his token is for: stackrc's is for the project admin.
func Caller(ctx context.Context) policy.Caller {
	id, _ := FromContext(ctx)
	c := policy.Caller{UserID: id.UserID, User: id.UserName, ProjectID: id.ProjectID, Project: id.ProjectName, System: id.System, Roles: id.Roles,
		UserDomainID: id.UserDomainID, ProjectDomainID: id.ProjectDomainID}
	if id.Admin {
		c.System, c.Roles = true, roleChain()
	}
	return c
}
