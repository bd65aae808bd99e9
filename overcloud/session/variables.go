package session

import (
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
)

// fromVariables logs in as OS_AUTH_URL and its friends say.
func fromVariables(ctx context.Context, kind string, o Options) (*Session, error) {
	endpoint := os.Getenv("OS_AUTH_URL")
	if endpoint == "" {
		return nil, errs.New(errs.Unauthorized, "missing value auth-url required for auth plugin password").
			WithHint("source stackrc (or overcloudrc) first, or give --os-cloud undercloud; of a standalone bare-metal service --os-auth-type none --os-endpoint http://HOST:6385, or OS_AUTH_TYPE and OS_ENDPOINT")
	}
	if !isURL(endpoint) {
		return nil, errs.New(errs.Invalid, "OS_AUTH_URL is no http or https URL").WithHint("such as http://HOST:5000/v3")
	}
	auth := gophercloud.AuthOptions{IdentityEndpoint: endpoint, UserID: os.Getenv("OS_USER_ID"), Username: first(o.Username, os.Getenv("OS_USERNAME"))}
	if o.Username != "" {
		auth.UserID = ""
	}
	if auth.UserID != "" {
		auth.Username = "" // an id needs no name and no domain
	} else {
		auth.DomainID, auth.DomainName = idOrName("OS_USER_DOMAIN")
	}
	var err error
	if kind == authAppCredential {
		applicationCredential(&auth)
	} else {
		auth.Password = first(o.Password, os.Getenv("OS_PASSWORD"))
		if auth.Scope, err = scope(); err != nil {
			return nil, err
		}
	}
	if missing := lacking(kind, auth, variables()); len(missing) > 0 {
		return nil, errs.New(errs.Unauthorized, "the login has no %s", strings.Join(missing, ", no ")).
			WithHint("set what is missing, or source stackrc or overcloudrc, which set all of it")
	}
	trust, err := authority(o)
	if err != nil {
		return nil, err
	}
	return Open(ctx, auth, gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}, trust, o)
}

// scope is what the login is for: a project, the whole system, or (nil) what Keystone
// takes for the user's own.
func scope() (*gophercloud.AuthScope, error) {
	id, name := idOrName("OS_PROJECT")
	system := os.Getenv("OS_SYSTEM_SCOPE")
	switch {
	case system != "" && system != "all":
		return nil, errs.New(errs.Invalid, "OS_SYSTEM_SCOPE is %q; expected all", system)
	case system != "" && id+name != "":
		return nil, errs.New(errs.Invalid, "a login is for a project or for the system, and OS_SYSTEM_SCOPE and OS_PROJECT_NAME or OS_PROJECT_ID are set").
			WithHint("env -u OS_PROJECT_NAME -u OS_PROJECT_ID OS_SYSTEM_SCOPE=all openstack …, or unset OS_SYSTEM_SCOPE")
	case system != "":
		return &gophercloud.AuthScope{System: true}, nil
	case id != "":
		return &gophercloud.AuthScope{ProjectID: id}, nil
	case name != "":
		s := &gophercloud.AuthScope{ProjectName: name}
		s.DomainID, s.DomainName = idOrName("OS_PROJECT_DOMAIN")
		return s, nil
	}
	return nil, nil
}

// idOrName reads NAME_ID or else NAME_NAME: rc files of Horizon set both, Keystone takes one.
func idOrName(variable string) (id, name string) {
	if id = os.Getenv(variable + "_ID"); id != "" {
		return id, ""
	}
	return "", os.Getenv(variable + "_NAME")
}

// applicationCredential has a project of its own. One that is named is a user's, one with an id nobody's.
func applicationCredential(auth *gophercloud.AuthOptions) {
	auth.ApplicationCredentialID, auth.ApplicationCredentialName = idOrName("OS_APPLICATION_CREDENTIAL")
	auth.ApplicationCredentialSecret = os.Getenv("OS_APPLICATION_CREDENTIAL_SECRET")
	if auth.ApplicationCredentialID != "" {
		auth.UserID, auth.Username, auth.DomainID, auth.DomainName = "", "", "", ""
	}
}

// namesOf is how the parts of a login are called where it was written.
type namesOf struct{ endpoint, user, password, domain, projectDomain, credential, secret string }

// variables are the names in the environment.
func variables() namesOf {
	return namesOf{"OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_USER_DOMAIN_NAME", "OS_PROJECT_DOMAIN_NAME",
		"OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_SECRET"}
}

// keys are the names in clouds.yaml.
func keys() namesOf {
	return namesOf{"auth_url", "username", "password", "user_domain_name", "project_domain_name", "application_credential_id", "application_credential_secret"}
}

// lacking names what the login needs and has not: no Keystone has to be asked for that.
func lacking(kind string, a gophercloud.AuthOptions, n namesOf) []string {
	var out []string
	need := func(missing bool, name string) {
		if missing {
			out = append(out, name)
		}
	}
	need(a.IdentityEndpoint == "", n.endpoint)
	credential := kind == authAppCredential || a.ApplicationCredentialID+a.ApplicationCredentialName != ""
	switch {
	case a.TokenID != "":
		return out
	case credential:
		need(a.ApplicationCredentialID+a.ApplicationCredentialName == "", n.credential)
		need(a.ApplicationCredentialSecret == "", n.secret)
	default:
		need(a.Password == "" && a.Passcode == "", n.password)
	}
	if !credential || a.ApplicationCredentialName != "" && a.ApplicationCredentialID == "" {
		need(a.Username+a.UserID == "", n.user)
		need(a.UserID == "" && a.DomainID+a.DomainName == "", n.domain)
	}
	if s := a.Scope; s != nil && !credential {
		need(s.ProjectName != "" && s.ProjectID == "" && s.DomainID+s.DomainName == "", n.projectDomain)
	}
	return out
}

// isURL tells whether requests can go there.
func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && (u.Scheme == "http" || u.Scheme == "https")
}
