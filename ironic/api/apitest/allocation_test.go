package apitest_test

import (
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api/apitest"
	"trefoil/undercloud/store/storetest"
)

// The stand-in is held to the contract of the real store.
func TestAllocationsInMemoryKeepTheirContract(t *testing.T) {
	storetest.RunAllocations(t, func(*testing.T) ironic.Store { return apitest.NewStore() })
}

func TestReferencesInMemoryAreLookedFor(t *testing.T) {
	storetest.RunReferences(t, func(*testing.T) ironic.Store { return apitest.NewStore() })
}
