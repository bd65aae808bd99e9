package sqlite

import (
	"path/filepath"
	"testing"

	"trefoil/ironic"
	"trefoil/undercloud/store/storetest"
)

func TestTemplatesKeepTheirContract(t *testing.T) {
	storetest.RunTemplates(t, func(t *testing.T) ironic.Store { return open1(t, filepath.Join(t.TempDir(), "state.db")) })
}
