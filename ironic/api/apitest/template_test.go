package apitest_test

import (
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api/apitest"
	"trefoil/undercloud/store/storetest"
)

func TestTemplatesInMemoryKeepTheirContract(t *testing.T) {
	storetest.RunTemplates(t, func(*testing.T) ironic.Store { return apitest.NewStore() })
}
