package sqlite

import (
	"path/filepath"
	"testing"

	"trefoil/ironic"
	"trefoil/undercloud/store/storetest"
)

func TestAllocationsKeepTheirContract(t *testing.T) {
	storetest.RunAllocations(t, func(t *testing.T) ironic.Store { return open1(t, filepath.Join(t.TempDir(), "state.db")) })
}
