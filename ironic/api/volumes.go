package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
)

const sinceVolume = 32

// volumeKind answers for the connectors of nodes, or for their targets.
type volumeKind[T ironic.VolumeKind] struct {
	noun     string // connector or target
	table    table[*T]
	row      func(*T) *ironic.VolumeRow
	rows     func(ironic.VolumeStore) ironic.Volumes[T]
	defaults []string // fields of a list that asks for none
	required []string // fields of a POST
}

// volumeRoutes are what nodes have of volumes. Nothing here boots from one: the
// rows are for clients that keep them.
func (s *server) volumeRoutes() []route {
	routes := []route{
		{path: "/v1/volume", since: sinceVolume, methods: methods{"GET": s.getVolume}},
		{path: "/v1/nodes/{node}/volume", since: sinceVolume, methods: methods{"GET": s.getNodeVolume}},
	}
	routes = append(routes, s.connectors.routes()...)
	return append(routes, s.targets.routes()...)
}

func (s *server) getVolume(c *call) error { return c.sendVolume("volume/") }

func (s *server) getNodeVolume(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	return c.sendVolume("nodes/" + n.UUID + "/volume/")
}

// sendVolume answers with links to what is below path.
func (c *call) sendVolume(path string) error {
	return c.json(http.StatusOK, object{{"links", c.links(path)},
		{"connectors", c.links(path + "connectors")}, {"targets", c.links(path + "targets")}})
}

// path is that of all rows, or of those of a node.
func (k *volumeKind[T]) path(node string) string {
	if node != "" {
		return "nodes/" + node + "/volume/" + k.noun + "s"
	}
	return "volume/" + k.noun + "s"
}

func (k *volumeKind[T]) routes() []route {
	all, ofNode := "/v1/"+k.path(""), "/v1/"+k.path("{node}")
	return []route{
		{path: all, since: sinceVolume, methods: methods{"GET": k.list, "POST": k.create,
			"DELETE": missing(k.noun + "_uuid"), "PATCH": missing(k.noun + "_uuid")}},
		{path: all + "/{volume}", since: sinceVolume, methods: methods{"GET": k.show, "PATCH": k.patch, "DELETE": k.delete}},
		{path: ofNode, since: sinceVolume, methods: methods{"GET": k.listOfNode, "POST": belowNode}},
		{path: ofNode + "/{volume}", since: sinceVolume, methods: methods{"GET": belowNode, "PATCH": belowNode, "DELETE": belowNode}},
	}
}

// belowNode refuses what Ironic has only below /v1/volume.
func belowNode(*call) error { return badRequest("Malformed request URI.") }

// find looks for the row of the path.
func (k *volumeKind[T]) find(c *call) (*T, error) {
	ident := c.r.PathValue("volume")
	if !ironic.IsUUID(ident) {
		return nil, badRequest("Expected a UUID but received %s.", ident)
	}
	v, err := k.rows(c.s.store).Get(c.ctx(), strings.ToLower(ident))
	if err != nil {
		return nil, err
	}
	return v, c.seesPart(k.row(v).NodeUUID, clientError(http.StatusNotFound, "Volume %s %s could not be found.", k.noun, ident))
}

func (k *volumeKind[T]) show(c *call) error { return k.table.show(c, k.find) }

func (k *volumeKind[T]) list(c *call) error {
	l, err := k.query(c)
	if err != nil {
		return err
	}
	node := ""
	if l.filters.Has("node") {
		n, err := c.nodeBy(l.filters.Get("node"))
		if err != nil {
			return err
		}
		node = n.UUID
	}
	return k.send(c, k.path(""), l, node)
}

func (k *volumeKind[T]) listOfNode(c *call) error {
	l, err := k.query(c)
	if err != nil {
		return err
	}
	n, err := c.node() // the path's, as with Ironic, whatever the parameter node says
	if err != nil {
		return err
	}
	return k.send(c, k.path(n.UUID), l, n.UUID)
}

// query reads the parameters of a list. All of them are older than volumes, or
// have never asked for a version here.
func (k *volumeKind[T]) query(c *call) (*listQuery, error) {
	l, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	for name := range l.filters {
		if name != "node" {
			return nil, badRequest("Unexpected arguments: %s", name).choosing(name, append(filterNames[struct{}](nil, c.version), "node"))
		}
	}
	return l, nil
}

func (k *volumeKind[T]) send(c *call, path string, l *listQuery, node string) error {
	list, err := k.rows(c.s.store).List(c.ctx(), node)
	if err != nil {
		return err
	}
	if list, err = k.seen(c, list); err != nil {
		return err
	}
	return sendList(c, k.table, k.noun+"s", path, l, k.defaults, list)
}

func (k *volumeKind[T]) create(c *call) error {
	return create(c, k.table, making[T]{resource: k.noun, path: k.path(""), row: new(T), needs: k.required,
		check: func(v *T) error {
			if err := c.mayAddTo(k.row(v).NodeUUID, "baremetal:volume:create"); err != nil {
				return err
			}
			_, err := k.check(c, v)
			return err
		}, store: k.rows(c.s.store).Create})
}

// check wants what every stored row has, and returns its node.
func (k *volumeKind[T]) check(c *call, v *T) (*ironic.Node, error) {
	for _, name := range k.required {
		if k.table.find(name).get(nil, v) == nil {
			return nil, lacks(k.noun, name)
		}
	}
	row := k.row(v)
	n, err := c.s.store.Node(c.ctx(), row.NodeUUID)
	if errs.Is(err, errs.NotFound) || err == nil && !c.sees(n) {
		return nil, badRequest("Node %s could not be found.", row.NodeUUID)
	}
	if err != nil {
		return nil, fmt.Errorf("read node of volume %s: %w", k.noun, err)
	}
	row.NodeUUID = n.UUID
	return n, nil
}

func (k *volumeKind[T]) patch(c *call) error {
	check := func(_, draft *T, _ map[string]bool) error {
		n, err := k.check(c, draft)
		if err != nil {
			return err
		}
		return c.mayMoveTo(n)
	}
	update := func(ctx context.Context, uuid string, change func(*T) error) (*T, error) {
		held := ""
		v, err := k.rows(c.s.store).Update(ctx, uuid, change, func(n *ironic.Node) error {
			held = n.UUID
			return n.MayUpdateVolume("volume " + k.noun)
		})
		return v, c.heldBy(held, err)
	}
	return patch(c, k.table, k.noun, k.find, check, update)
}

func (k *volumeKind[T]) delete(c *call) error {
	v, err := k.find(c)
	if err != nil {
		return err
	}
	err = k.rows(c.s.store).Delete(c.ctx(), k.row(v).UUID, func(n *ironic.Node) error { return n.MayDeleteVolume("volume " + k.noun) })
	if err != nil {
		return c.heldBy(k.row(v).NodeUUID, err)
	}
	return c.status(http.StatusNoContent)
}
